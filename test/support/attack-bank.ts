// A bank whose masked values are canaries: strings that must occur in nothing that leaves the gateway or that it keeps.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { decodeDataRow } from '../../proxy-task/postgres/messages/data-row.ts';
import { decodeErrorFields, errorField } from '../../proxy-task/postgres/messages/error-response.ts';
import { startGateway, type TestGateway } from './gateway.ts';
import { startPostgres, type TestPostgres } from './postgres.ts';
import { wire, WireClient, type WireMessage } from './wire-client.ts';

const PEOPLE = 5;

/** What every masked value contains, and no name, statement or message does. */
export const CANARIES = ['q7kssn', 'q8mcard', 'q9pmail', '77123456', '81237991', 'q4riban', 'q5wnote', 'q6hpast'] as const;

export const ATTACK_BANK = `
CREATE EXTENSION IF NOT EXISTS tablefunc;
CREATE DOMAIN tax_id AS text CHECK (length(VALUE) > 3);
CREATE TABLE branches (id int PRIMARY KEY, city text NOT NULL);
CREATE TABLE customers (
  id int PRIMARY KEY,
  full_name text NOT NULL,
  nick text,
  branch int REFERENCES branches (id),
  ssn tax_id NOT NULL UNIQUE,
  card_number varchar(40),
  email text UNIQUE,
  pin int CHECK (pin > 100),
  salary numeric(12, 2),
  ssn_upper text GENERATED ALWAYS AS (upper(ssn)) STORED,
  CONSTRAINT nick_is_no_secret CHECK (nick <> card_number),
  CONSTRAINT card_by_branch UNIQUE (branch, card_number)
);
CREATE TABLE accounts (
  id int PRIMARY KEY,
  customer_id int REFERENCES customers (id) DEFERRABLE INITIALLY DEFERRED,
  balance numeric(12, 2) NOT NULL,
  note text
);
CREATE TABLE contacts (id int PRIMARY KEY, mail text REFERENCES customers (email) ON UPDATE CASCADE);
CREATE TABLE scratch (id serial, txt text);
CREATE TABLE payments (id int, day date, iban text) PARTITION BY RANGE (day);
CREATE TABLE payments_2025 PARTITION OF payments FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE payments_2026 PARTITION OF payments FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE notes (id int PRIMARY KEY, secret text);
CREATE TABLE staff_notes (grade int) INHERITS (notes);
CREATE TABLE history (id int PRIMARY KEY, old text);
CREATE VIEW people AS SELECT id AS nr, full_name AS who, ssn AS tax, email FROM customers;
CREATE VIEW people_again AS SELECT nr, tax AS t FROM people;
CREATE VIEW lowered AS SELECT id, lower(ssn) AS l FROM customers;
CREATE VIEW vip AS SELECT id FROM customers WHERE salary > 100;
CREATE MATERIALIZED VIEW kept AS SELECT id, full_name, ssn AS x, card_number FROM customers;
CREATE MATERIALIZED VIEW kept_names AS SELECT id, full_name FROM customers;
CREATE FUNCTION ssn_of(int) RETURNS text LANGUAGE sql STABLE AS 'SELECT ssn::text FROM customers WHERE id = $1';
CREATE FUNCTION ssn_by_code(which int) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT ssn FROM customers WHERE id = which); END';
CREATE FUNCTION ssn_constant() RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN (SELECT ssn FROM customers WHERE id = 1); END';
CREATE FUNCTION rows_by_code() RETURNS TABLE (nr int, tax text) LANGUAGE plpgsql AS 'BEGIN RETURN QUERY SELECT id, ssn::text FROM customers; END';
CREATE FUNCTION open_by_code(name refcursor) RETURNS refcursor LANGUAGE plpgsql AS
  'BEGIN OPEN name FOR SELECT (ssn || '''')::text AS v FROM customers; RETURN name; END';
CREATE FUNCTION raise_by_code() RETURNS void LANGUAGE plpgsql AS
  'BEGIN RAISE NOTICE ''%'', (SELECT ssn FROM customers WHERE id = 1); RAISE EXCEPTION ''%'', (SELECT email FROM customers WHERE id = 1); END';
CREATE FUNCTION code_by_code() RETURNS void LANGUAGE plpgsql AS
  'BEGIN RAISE EXCEPTION USING errcode = upper(substr((SELECT pin::text FROM customers WHERE id = 1), 1, 5)), message = ''x''; END';
CREATE FUNCTION name_by_code() RETURNS void LANGUAGE plpgsql AS
  'BEGIN PERFORM set_config(''application_name'', (SELECT ssn FROM customers WHERE id = 1), false); END';
CREATE PROCEDURE call_by_code(INOUT v text) LANGUAGE plpgsql AS 'BEGIN v := (SELECT ssn FROM customers WHERE id = 1); END';
CREATE FUNCTION ssn_field(customers) RETURNS text LANGUAGE sql STABLE AS 'SELECT $1.ssn::text';
CREATE FUNCTION ssn_field_by_code(c customers) RETURNS text LANGUAGE plpgsql STABLE AS 'BEGIN RETURN c.ssn; END';
CREATE FUNCTION tell_change() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN PERFORM pg_notify(''changes'', row_to_json(NEW)::text); RAISE NOTICE ''%'', NEW; RETURN NEW; END';
CREATE TRIGGER tell AFTER UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION tell_change();
CREATE FUNCTION peek_eq(text, text) RETURNS boolean LANGUAGE plpgsql AS
  'BEGIN RETURN (SELECT bool_or(ssn LIKE $2) FROM customers); END';
CREATE OPERATOR @=@ (LEFTARG = text, RIGHTARG = text, FUNCTION = peek_eq);
INSERT INTO branches SELECT g, 'city ' || g FROM generate_series(1, ${PEOPLE}) g;
INSERT INTO customers (id, full_name, nick, branch, ssn, card_number, email, pin, salary)
  SELECT g, 'person ' || g, 'nick' || g, g, 'q7kssn' || g || 'tail', 'q8mcard' || g, 'q9pmail' || g || '@corp.example', 771234560 + g, 812379910 + g
  FROM generate_series(1, ${PEOPLE}) g;
INSERT INTO accounts SELECT g, g, g * 100, 'note ' || g FROM generate_series(1, ${PEOPLE}) g;
INSERT INTO contacts SELECT 1, NULL;
INSERT INTO payments SELECT g, DATE '2025-06-01' + g * 100, 'q4riban' || g FROM generate_series(1, ${PEOPLE}) g;
INSERT INTO notes SELECT g, 'q5wnote' || g FROM generate_series(1, ${PEOPLE}) g;
INSERT INTO staff_notes SELECT g + 10, 'q5wnote' || g, g FROM generate_series(1, ${PEOPLE}) g;
INSERT INTO history SELECT g, 'q6hpast' || g FROM generate_series(1, ${PEOPLE}) g;
REFRESH MATERIALIZED VIEW kept;
REFRESH MATERIALIZED VIEW kept_names;
ANALYZE;
`;

export const ATTACK_MASKING = `
columns:
  - { target: db, column: public.customers.ssn, method: partial, keepLast: 2 }
  - { target: db, column: public.customers.card_number, method: redact }
  - { target: db, column: public.customers.email, method: hash }
  - { target: db, column: public.customers.pin, method: "null" }
  - { target: db, column: public.customers.salary, method: redact }
  - { target: db, column: public.payments.iban, method: tokenize }
  - { target: db, column: public.notes.secret, method: redact }
  - { target: db, column: public.history.old, method: redact }
patterns: []
`;

/** `ops` may do everything that has a name, even what is not understood, but sees nothing masked. */
export const ATTACK_POLICIES = `
@id("connect") permit (principal, action == Action::"connect", resource);
@id("ops") permit (principal in Group::"demo/ops", action in Action::"all", resource);
@id("ops-unknown") permit (principal in Group::"demo/ops", action == Action::"unknown", resource);
@id("read") permit (principal in Group::"demo/analysts", action in Action::"read", resource);
@id("write") @approvers("dba") @quorum("1") @hold("20s") @expires("1h") @grant("5m") @reason("Writes need a second person")
permit (principal in Group::"demo/analysts", action in Action::"write", resource) when { context has approval };
@id("fraud") permit (principal in Group::"demo/fraud", action in Action::"read", resource);
@id("fraud-sees-email") permit (principal in Group::"demo/fraud", action == Action::"reveal", resource == Column::"db.public.customers.email");
`;

export type AttackBank = { readonly postgres: TestPostgres; readonly gateway: TestGateway; stop(): Promise<void> };

export async function startAttackBank(): Promise<AttackBank> {
  const postgres = await startPostgres();
  await postgres.script(ATTACK_BANK);
  const gateway = await startGateway(postgres, { masking: ATTACK_MASKING, policies: ATTACK_POLICIES });
  return {
    postgres,
    gateway,
    stop: async () => {
      await gateway.stop();
      await postgres.stop();
    },
  };
}

export type Outcome = {
  /** SQLSTATEs of the errors, in order. */
  readonly codes: readonly string[];
  readonly messages: readonly string[];
  readonly rows: readonly (readonly (string | null)[])[];
  readonly tags: readonly string[];
  readonly closed: boolean;
};

/** A session that keeps every byte it was ever sent. */
export class Attacker {
  readonly client: WireClient;
  readonly #bytes: Buffer[] = [];

  private constructor(client: WireClient) {
    this.client = client;
    client.socket.on('data', (chunk: Buffer) => this.#bytes.push(Buffer.from(chunk)));
  }

  static async login(gateway: TestGateway, group: string, parameters: Readonly<Record<string, string>> = {}): Promise<Attacker> {
    const password = await gateway.token('agent-7', [group]);
    return new Attacker(await WireClient.login({ port: gateway.port, database: 'db', user: 'agent', password, parameters }));
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#bytes);
  }

  /** One simple Query. */
  run(sql: string): Promise<Outcome> {
    return this.send([wire.query(sql)]);
  }

  /** Parse, Bind, Describe (unless told not to), Execute, Sync. */
  extended(
    sql: string,
    parameters: readonly (string | null)[] = [],
    options: { readonly format?: 0 | 1; readonly describe?: boolean; readonly maxRows?: number } = {},
  ): Promise<Outcome> {
    return this.send([
      wire.parse('', sql),
      wire.bind('', '', parameters, [options.format ?? 0]),
      ...(options.describe === false ? [] : [wire.describePortal('')]),
      wire.execute('', options.maxRows ?? 0),
      wire.sync(),
    ]);
  }

  async send(pieces: readonly Buffer[], until = 'Z'): Promise<Outcome> {
    this.client.send(...pieces);
    return outcomeOf(await this.client.until(until), this.client.socket.destroyed);
  }

  end(): void {
    this.client.destroy();
  }
}

export function outcomeOf(messages: readonly WireMessage[], closed = false): Outcome {
  const errors = messages.filter(({ type }) => type === 'E').map(({ body }) => decodeErrorFields(body, 0, body.length));
  return {
    codes: errors.map((fields) => errorField(fields, 'C') ?? ''),
    messages: errors.map((fields) => errorField(fields, 'M') ?? ''),
    rows: messages
      .filter(({ type }) => type === 'D')
      .map(({ body }) => decodeDataRow(body, 0, body.length).map((cell) => cell?.toString('utf8') ?? null)),
    tags: messages.filter(({ type }) => type === 'C').map(({ body }) => body.toString('utf8', 0, body.length - 1)),
    closed: closed || messages.at(-1)?.type !== 'Z',
  };
}

/** Canaries in these bytes: as they are, in hexadecimal, reversed, in upper case, in UTF-16. */
export function canariesIn(bytes: Buffer): string[] {
  const text = bytes.toString('latin1').toLowerCase();
  return CANARIES.filter((canary) =>
    [canary, Buffer.from(canary).toString('hex'), canary.split('').toReversed().join(''), canary.split('').join('\0')].some((form) =>
      text.includes(form),
    ),
  );
}

/** Every file below a folder, with its bytes. */
export function filesBelow(folder: string): { readonly path: string; readonly bytes: Buffer }[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? filesBelow(path) : [{ path, bytes: readFileSync(path) }];
  });
}
