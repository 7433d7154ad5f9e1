// The database of `examples/bank`: made once, and left alone when it is there.
import { readFileSync } from 'node:fs';
import { Client, escapeLiteral } from 'pg';
import { bankData } from './bank-data.ts';

export const BANK_DATABASE = 'bank';

/** The role that the gateway logs in with: it reads and writes rows, owns nothing and is no superuser. */
export const BANK_ROLE = 'sallyport_agent';

export type BankLogin = {
  readonly host: string;
  readonly port: number;
  readonly superuser: string;
  readonly superuserPassword: string;
  readonly rolePassword: string;
};

/** Makes the role and the database where they are missing, seeds an empty bank in one transaction, and sets the role's password. */
export async function ensureBank(login: BankLogin): Promise<{ readonly seeded: boolean }> {
  await withClient(login, 'postgres', async (client) => {
    const { rowCount: roles } = await client.query('select 1 from pg_catalog.pg_roles where rolname = $1', [BANK_ROLE]);
    const rights = 'login nosuperuser nocreatedb nocreaterole noreplication nobypassrls';
    // A role's password cannot be a parameter. It is kept out of the log that the demo shows.
    await client.query('set log_statement = none');
    await client.query(`${roles === 0 ? 'create' : 'alter'} role ${BANK_ROLE} ${rights} password ${escapeLiteral(login.rolePassword)}`);
    const { rowCount: databases } = await client.query('select 1 from pg_catalog.pg_database where datname = $1', [BANK_DATABASE]);
    if (databases === 0) await client.query(`create database ${BANK_DATABASE} template template0 encoding 'UTF8'`);
  });
  return withClient(login, BANK_DATABASE, async (client) => {
    const { rows } = await client.query<{ there: boolean }>("select pg_catalog.to_regclass('public.transactions') is not null as there");
    if (rows[0]?.there === true) return { seeded: false };
    await seed(client);
    return { seeded: true };
  });
}

async function seed(client: Client): Promise<void> {
  const { customers, accounts, transactions } = bankData();
  // The log is there to show what agents' statements became, not how the bank was filled.
  await client.query('set log_statement = none');
  await client.query('begin');
  await client.query(readFileSync(new URL('bank.sql', import.meta.url), 'utf8'));
  for (const [table, rows] of Object.entries({ customers, accounts, transactions })) {
    await client.query(`insert into public.${table} select * from json_populate_recordset(null::public.${table}, $1)`, [
      JSON.stringify(rows),
    ]);
    await client.query(`select setval(pg_get_serial_sequence('public.${table}', 'id'), $1)`, [rows.length]);
  }
  await client.query(`
    grant usage on schema public to ${BANK_ROLE};
    grant select, insert, update, delete, truncate on public.customers, public.accounts, public.transactions to ${BANK_ROLE};
    grant select on public.customer_overview, public.account_totals to ${BANK_ROLE};
    grant usage on all sequences in schema public to ${BANK_ROLE};
    grant execute on function public.purge_transactions(date) to ${BANK_ROLE}`);
  await client.query('commit');
  await client.query('analyze');
}

async function withClient<T>(login: BankLogin, database: string, run: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({
    host: login.host,
    port: login.port,
    user: login.superuser,
    password: login.superuserPassword,
    database,
    application_name: 'sallyport-demo',
  });
  await client.connect();
  try {
    return await run(client);
  } finally {
    await client.end();
  }
}
