// What drivers, pools and ORMs send before, between and after their users' statements: an agent that may only read needs it too.
import type { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startClientBank, type ClientBank } from '../../support/client-bank.ts';

let bank: ClientBank;
let client: Client;

beforeAll(async () => {
  bank = await startClientBank();
  client = await bank.gateway.connect({ groups: ['analysts'] });
});

afterAll(() => bank.stop());

describe('an agent that may only read is permitted', () => {
  test.each([
    // pgjdbc, Npgsql, psycopg, ActiveRecord, Django, SQLAlchemy, Sequelize
    "SET application_name = 'app'",
    "SET DateStyle = 'ISO'",
    'SET extra_float_digits = 3',
    "SET client_min_messages TO 'warning'",
    'SET standard_conforming_strings = on',
    "SET client_encoding = 'UTF8'",
    "SET NAMES 'utf8'",
    "SET TIME ZONE 'UTC'",
    "SET SESSION timezone TO 'UTC'",
    "SELECT set_config('TimeZone', 'UTC', false)",
    'SET search_path TO "$user", public',
    "SELECT pg_catalog.set_config('search_path', 'public', false)",
    'SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED READ WRITE',
    'SET statement_timeout = 5000',
    'SET idle_in_transaction_session_timeout = 0',
    "SET bytea_output = 'hex'",
    'SET jit = off',
    'SHOW transaction isolation level',
    'SHOW standard_conforming_strings',
    'SHOW server_version',
    'SELECT pg_catalog.version()',
    'SELECT pg_is_in_recovery()',
    'SELECT current_schema(), current_database(), session_user, pg_backend_pid()',
    "SELECT current_setting('server_version_num')",
    // asyncpg, when a connection goes back into its pool; others use DISCARD ALL
    'SELECT pg_advisory_unlock_all()',
    'CLOSE ALL',
    'UNLISTEN *',
    'RESET ALL',
    'DEALLOCATE ALL',
    'DISCARD ALL',
  ])('%s', async (statement) => {
    await expect(client.query(statement)).resolves.toBeDefined();
  });

  test.each([
    [
      'types, as ActiveRecord reads them',
      `SELECT t.oid, t.typname, t.typelem, t.typdelim, t.typinput, r.rngsubtype, t.typtype, t.typbasetype
       FROM pg_type AS t LEFT JOIN pg_range AS r ON oid = rngtypid
       WHERE t.typname IN ('int2', 'int4', 'text') OR t.typtype IN ('r', 'e', 'd') OR t.typinput = 'array_in(cstring,oid,integer)'::regprocedure`,
    ],
    [
      'columns, as most ORMs read them',
      `SELECT table_name, column_name, data_type, is_nullable, column_default, character_maximum_length, is_identity
       FROM information_schema.columns WHERE table_schema = 'public' ORDER BY table_name, ordinal_position`,
    ],
    [
      'keys and what they refer to',
      `SELECT tc.table_name, kcu.column_name, ccu.table_name AS foreign_table, rc.delete_rule
       FROM information_schema.table_constraints tc
       JOIN information_schema.key_column_usage kcu USING (constraint_schema, constraint_name)
       JOIN information_schema.constraint_column_usage ccu USING (constraint_schema, constraint_name)
       JOIN information_schema.referential_constraints rc USING (constraint_schema, constraint_name)`,
    ],
    ['indexes', `SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 2`],
    ['sequences', `SELECT sequencename, start_value, increment_by FROM pg_sequences ORDER BY 1`],
    [
      'definitions of constraints',
      `SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'orders'::regclass ORDER BY 1`,
    ],
  ])('%s, with the rows that PostgreSQL has', async (_, statement) => {
    const { rows } = await client.query(statement);
    const direct = await bank.postgres.query(statement);
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.map((row) => JSON.stringify(row)).toSorted()).toEqual(direct.map((row) => JSON.stringify(row)).toSorted());
  });
});

test.each([
  ['SET standard_conforming_strings = off', 'ZG010'],
  ["SET client_encoding = 'latin1'", 'ZG010'],
  ['SET ROLE postgres', 'ZG010'],
  ['SELECT pg_advisory_lock(1)', 'ZG010'],
  ['SELECT pg_advisory_unlock(1)', 'ZG010'],
  ["SELECT pg_sequence_last_value('orders_id_seq')", 'ZG013'],
])('what looks like it and is not is refused: %s', async (statement, code) => {
  await expect(client.query(statement)).rejects.toMatchObject({ code });
});
