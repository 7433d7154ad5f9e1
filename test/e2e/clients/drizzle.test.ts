// drizzle: its kit introspects the schema through the gateway, and its queries run there.
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { eq, gt, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { integer, numeric, pgTable, serial, text } from 'drizzle-orm/pg-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startClientBank, UNMASKED, type ClientBank } from '../../support/client-bank.ts';

const KIT = join(dirname(createRequire(import.meta.url).resolve('drizzle-kit')), 'bin.cjs');

let bank: ClientBank;
let folder: string;

beforeAll(async () => {
  bank = await startClientBank();
  folder = mkdtempSync(join(tmpdir(), 'sallyport-test-drizzle-'));
});

afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await bank.stop();
});

/** `drizzle-kit pull`: the schema file that it writes from what it read. */
async function pull(group: string): Promise<string> {
  const { gateway } = bank;
  const out = join(folder, group);
  mkdirSync(out);
  const dbCredentials = {
    host: '127.0.0.1',
    port: gateway.port,
    user: 'agent',
    password: await gateway.token('agent-7', [group]),
    database: 'db',
    ssl: false,
  };
  const config = join(folder, `${group}.json`);
  writeFileSync(config, JSON.stringify({ dialect: 'postgresql', out, dbCredentials }));
  await promisify(execFile)(process.execPath, [KIT, 'pull', `--config=${config}`], { cwd: folder, timeout: 50_000 });
  expect(readdirSync(out)).toContain('schema.ts');
  return readFileSync(join(out, 'schema.ts'), 'utf8');
}

describe('drizzle-kit pull', () => {
  test.each(['all', 'analysts'])('as one of group %s reads tables, keys, checks, enums, views and sequences', async (group) => {
    const schema = await pull(group);
    expect(schema).toContain(`pgEnum("mood", ['sad', 'ok', 'happy'])`);
    expect(schema).toContain('export const customers = pgTable("customers"');
    expect(schema).toContain('generatedByDefaultAsIdentity(');
    expect(schema).toContain('numeric({ precision: 10, scale:  2 }).notNull()');
    expect(schema).toContain('index("orders_customer")');
    expect(schema).toContain('orders_customer_id_fkey');
    expect(schema).toContain('check("orders_total_check"');
    expect(schema).toContain('pgView("customer_names"');
  });
});

describe('drizzle’s queries', () => {
  const customers = pgTable('customers', { id: integer().primaryKey(), name: text().notNull(), ssn: text().notNull() });
  const orders = pgTable('orders', {
    id: serial().primaryKey(),
    customerId: integer('customer_id').notNull(),
    total: numeric().notNull(),
    note: text(),
  });

  test.each(['all', 'analysts'])('join, filter and count as one of group %s, masked', async (group) => {
    const db = drizzle(await bank.gateway.connect({ groups: [group] }));
    const rows = await db
      .select({ id: customers.id, ssn: customers.ssn, total: orders.total })
      .from(customers)
      .innerJoin(orders, eq(orders.customerId, customers.id))
      .where(gt(customers.id, 48))
      .orderBy(customers.id);
    expect(rows).toEqual([
      { id: 49, ssn: '***-**-1049', total: '73.50' },
      { id: 50, ssn: '***-**-1050', total: '75.00' },
    ]);
    expect(await db.$count(customers)).toBe(50);
    expect(JSON.stringify(await db.select().from(customers))).not.toMatch(UNMASKED);
  });

  test('writes in a transaction, and rolls back with it', async () => {
    const db = drizzle(await bank.gateway.connect());
    await db.transaction(async (tx) => {
      const [made] = await tx.insert(orders).values({ customerId: 1, total: '9.99', note: 'drizzle' }).returning({ id: orders.id });
      await tx
        .update(orders)
        .set({ note: sql`${orders.note} || '!'` })
        .where(eq(orders.id, made?.id ?? 0));
    });
    await expect(
      db.transaction(async (tx) => {
        await tx.delete(orders).where(eq(orders.note, 'drizzle!'));
        tx.rollback();
      }),
    ).rejects.toThrow();
    expect(await bank.postgres.query(`SELECT note FROM orders WHERE note LIKE 'drizzle%'`)).toEqual([{ note: 'drizzle!' }]);
  });
});
