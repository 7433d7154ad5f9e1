// drizzle: its kit introspects the schema through the gateway, and its queries run there.
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { eq, gt, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { migrate } from 'drizzle-orm/node-postgres/migrator';
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

/** A configuration of drizzle-kit for an agent of that group. */
async function configFile(name: string, group: string, more: object): Promise<string> {
  const { gateway } = bank;
  const password = await gateway.token('agent-7', [group]);
  const dbCredentials = { host: '127.0.0.1', port: gateway.port, user: 'agent', password, database: 'db', ssl: false };
  const config = join(folder, `${name}.json`);
  writeFileSync(config, JSON.stringify({ dialect: 'postgresql', dbCredentials, ...more }));
  return config;
}

async function kit(command: string, config: string, ...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [KIT, command, `--config=${config}`, ...args], {
    cwd: folder,
    timeout: 50_000,
  });
  return stdout;
}

/** `drizzle-kit pull`: the schema file that it writes from what it read. */
async function pull(group: string): Promise<string> {
  const out = join(folder, group);
  mkdirSync(out);
  await kit('pull', await configFile(group, group, { out }));
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

describe('drizzle’s migrations', () => {
  test('in one transaction are refused once names mean what only that transaction sees, and leave nothing behind', async () => {
    const migrations = join(folder, 'migrations');
    mkdirSync(join(migrations, 'meta'), { recursive: true });
    const entry = { idx: 0, version: '7', when: 1_700_000_000_000, tag: '0000_first', breakpoints: true };
    writeFileSync(join(migrations, 'meta', '_journal.json'), JSON.stringify({ version: '7', dialect: 'postgresql', entries: [entry] }));
    writeFileSync(
      join(migrations, '0000_first.sql'),
      [
        'CREATE TABLE "branches" ("id" serial PRIMARY KEY NOT NULL, "city" text NOT NULL);',
        'CREATE INDEX "branches_city" ON "branches" USING btree ("city");',
        'ALTER TABLE "orders" ADD COLUMN "branch_id" integer REFERENCES "branches" ("id");',
        `INSERT INTO "branches" ("city") VALUES ('Vienna'), ('Graz');`,
      ].join('--> statement-breakpoint\n'),
    );
    const db = drizzle(await bank.gateway.connect());
    await expect(migrate(db, { migrationsFolder: migrations })).rejects.toMatchObject({
      cause: { code: 'ZG010', message: expect.stringContaining('names after uncommitted DDL') },
    });
    expect(
      await bank.postgres.query(`SELECT to_regclass('branches') AS made, count(*)::int AS n FROM drizzle.__drizzle_migrations`),
    ).toEqual([{ made: null, n: 0 }]);
  });

  test('by drizzle-kit push, which compares and sends each change alone, are made', async () => {
    const schema = join(folder, 'pushed.mjs');
    writeFileSync(
      schema,
      [
        `import { integer, pgSchema, serial, text } from ${JSON.stringify(import.meta.resolve('drizzle-orm/pg-core'))};`,
        `export const pushed = pgSchema('pushed');`,
        `export const branches = pushed.table('branches', { id: serial().primaryKey(), city: text().notNull().unique() });`,
        `export const desks = pushed.table('desks', { id: serial().primaryKey(), branch: integer().notNull().references(() => branches.id) });`,
      ].join('\n'),
    );
    const config = await configFile('push', 'all', { schema, schemaFilter: ['pushed'] });
    await kit('push', config, '--force');
    expect(
      await bank.postgres.query(`SELECT conrelid::regclass::text AS of, contype::text AS kind FROM pg_constraint
        WHERE connamespace = 'pushed'::regnamespace AND contype IN ('p', 'u', 'f') ORDER BY 1, 2`),
    ).toEqual([
      { of: 'pushed.branches', kind: 'p' },
      { of: 'pushed.branches', kind: 'u' },
      { of: 'pushed.desks', kind: 'f' },
      { of: 'pushed.desks', kind: 'p' },
    ]);
  });
});
