import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { catalogOf, parseDump } from '../../../core/statement/sql/catalog-dump.ts';
import { CATALOG_FINGERPRINT } from '../../../core/statement/sql/catalog-fingerprint.ts';
import type { Catalog } from '../../../core/statement/sql/catalog.ts';
import {
  createCatalogSource,
  type CatalogConnection,
  type PostgresCatalogSource,
} from '../../../proxy-task/adapters/postgres-catalog-source.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { startPostgres, type TestPostgres } from '../../support/postgres.ts';
import { textConnection, type TextConnection } from '../../support/text-connection.ts';

let postgres: TestPostgres;
let ddl: TextConnection;
let clock: ManualClock;
let source: PostgresCatalogSource;
/** What happens to the source's connections; each test starts with a target that answers. */
let link: {
  opened: number;
  closed: number;
  asked: string[];
  isDown: boolean;
  answersNothing: boolean;
  before: ((sql: string) => Promise<void>) | undefined;
};

beforeAll(async () => {
  postgres = await startPostgres();
  ddl = await textConnection(postgres);
});
afterAll(async () => {
  await ddl.close();
  await postgres.stop();
});
beforeEach(() => {
  clock = new ManualClock(1_000_000);
  link = { opened: 0, closed: 0, asked: [], isDown: false, answersNothing: false, before: undefined };
  source = createCatalogSource({ connect, clock });
});
afterEach(() => source.close());

async function connect(): Promise<CatalogConnection> {
  if (link.isDown) throw new Error('connection refused');
  const connection = await textConnection(postgres);
  link.opened += 1;
  return {
    async query(sql) {
      link.asked.push(sql);
      if (link.isDown) throw new Error('connection reset');
      if (link.answersNothing) return new Promise<never>(() => undefined);
      await link.before?.(sql);
      return connection.query(sql);
    },
    async close() {
      link.closed += 1;
      await connection.close();
    },
  };
}

function has(catalog: Catalog, table: string): boolean {
  return catalog.relationsByName.get('public')?.has(table) === true;
}

const reads = () => link.asked.filter((sql) => sql.startsWith('BEGIN')).length;

test('nothing is opened before it is asked for, and nothing is current before it is read', () => {
  expect(() => source.current()).toThrow(expect.objectContaining({ code: 'catalog-unavailable' }));
  expect(link.opened).toBe(0);
});

test('a refresh that is asked for after DDL holds it', async () => {
  expect(has(await source.refresh(), 'fresh')).toBe(false);
  await ddl.query('create table public.fresh (a int)');
  expect(has(await source.refresh(), 'fresh')).toBe(true);
  expect(has(source.current(), 'fresh')).toBe(true);
});

test('a refresh that finds nothing changed reads no catalog and keeps the object', async () => {
  const first = await source.refresh();
  expect(await source.refresh()).toBe(first);
  expect(reads()).toBe(1);
});

test('a refresh asked for while one runs starts after the ask, once for all who ask', async () => {
  let release = () => {};
  const reached = new Promise<void>((resolve) => {
    link.before = async (sql) => {
      if (!sql.startsWith('COMMIT')) return;
      link.before = undefined;
      resolve();
      await new Promise<void>((go) => (release = go));
    };
  });
  const first = source.refresh();
  await reached;
  // The snapshot that runs was taken: only the next one can hold this table.
  await ddl.query('create table public.late (a int)');
  const [second, third] = [source.refresh(), source.refresh()];
  expect(second).toBe(third);
  expect(second).not.toBe(first);
  release();
  await first;
  expect(has(await second, 'late')).toBe(true);
});

test('calls that come between the end of one refresh and the start of the next share the next', async () => {
  await source.refresh();
  let isReading = false;
  link.before = (sql) => {
    if (sql === CATALOG_FINGERPRINT) {
      expect(isReading).toBe(false);
      isReading = true;
    }
    return new Promise((resolve) =>
      setImmediate(() => {
        isReading = false;
        resolve();
      }),
    );
  };
  const first = source.refresh();
  const second = source.refresh();
  const calls = first.then(async () => {
    const late: Promise<Catalog>[] = [];
    for (let turn = 0; turn < 5; turn += 1) {
      late.push(source.refresh());
      await Promise.resolve();
    }
    return Promise.all(late);
  });
  await Promise.all([first, second, calls]);
});

test('DDL that commits while the catalog is read is in the snapshot all the same', async () => {
  let once = true;
  link.before = async (sql) => {
    if (!once || !sql.includes('pg_get_viewdef')) return;
    once = false;
    await ddl.query('create table public.meanwhile (a int)');
  };
  expect(has(await source.refresh(), 'meanwhile')).toBe(true);
  expect(reads()).toBe(2);
});

test('while a session lives, DDL from elsewhere is found within two seconds and told', async () => {
  const seen: Catalog[] = [];
  const session = await source.acquire();
  source.onChange((catalog) => seen.push(catalog));
  await ddl.query('create table public.elsewhere (a int)');
  const polled = new Promise<void>((resolve) => source.onChange(() => resolve()));
  clock.advance(2_000);
  await polled;
  expect(seen.map((catalog) => has(catalog, 'elsewhere'))).toEqual([true]);
  expect(has(source.current(), 'elsewhere')).toBe(true);
  session.release();
});

test('without sessions nothing is polled, and the connection is closed after a minute', async () => {
  const session = await source.acquire();
  session.release();
  session.release();
  const asked = link.asked.length;
  clock.advance(59_999);
  expect([link.asked.length, link.closed]).toEqual([asked, 0]);
  clock.advance(1);
  expect(link.closed).toBe(1);
  expect(has((await source.acquire()).catalog, 'fresh')).toBe(true);
  expect(link.opened).toBe(2);
});

test('a session that comes later than two seconds after the last look is given what holds then', async () => {
  (await source.acquire()).release();
  await ddl.query('create table public.between (a int)');
  expect(has((await source.acquire()).catalog, 'between')).toBe(false);
  clock.advance(2_001);
  expect(has((await source.acquire()).catalog, 'between')).toBe(true);
});

test('a connection that died while nobody used it is replaced within the same refresh', async () => {
  await source.refresh();
  await ddl.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and backend_type = 'client backend'`,
  );
  await expect(source.refresh()).resolves.toBeDefined();
  expect(link.opened).toBe(2);
});

test('a target that cannot be read fails the refresh, serves the old snapshot for thirty seconds, then none', async () => {
  const catalog = await source.refresh();
  link.isDown = true;
  await expect(source.refresh()).rejects.toMatchObject({ code: 'catalog-unavailable' });
  clock.advance(30_000);
  expect(source.current()).toBe(catalog);
  clock.advance(1);
  expect(() => source.current()).toThrow(expect.objectContaining({ code: 'catalog-unavailable' }));
  link.isDown = false;
  await source.refresh();
  expect(source.current()).toBe(catalog);
});

test('a target that never answers fails the refresh instead of holding it', async () => {
  await source.refresh();
  link.answersNothing = true;
  const refreshing = source.refresh();
  const failure = expect(refreshing).rejects.toMatchObject({ code: 'catalog-unavailable' });
  for (let attempt = 0; attempt < 2; attempt += 1) {
    await new Promise(setImmediate);
    clock.advance(25_000);
    // The second attempt opens a connection first.
    await expect.poll(() => link.opened).toBe(2);
  }
  await expect.poll(() => link.asked.length).toBeGreaterThan(2);
  clock.advance(25_000);
  await failure;
});

test('a view left out because of a lock is read as soon as the lock is gone, without any DDL', async () => {
  await ddl.query('create table public.base (a int); create view public.over_base as select a from public.base');
  await ddl.query('begin; lock table public.base in access exclusive mode');
  const view = (catalog: Catalog) => catalog.relationsByName.get('public')?.get('over_base')?.viewDefinition;
  expect(view(await source.refresh())).toBeUndefined();
  await ddl.query('rollback');
  expect(view(await source.refresh())).toContain('public.base');
});

test('a target of another version than those carried is refused', async () => {
  const old = createCatalogSource({
    clock,
    connect: () =>
      Promise.resolve({
        query: (sql) => Promise.resolve(sql.includes('server_version_num') ? [['140012']] : []),
        close: () => Promise.resolve(),
      }),
  });
  await expect(old.refresh()).rejects.toThrow(/PostgreSQL 14/u);
  old.close();
});

test('closing fails what is being read', async () => {
  const refreshing = source.refresh();
  source.close();
  await expect(refreshing).rejects.toMatchObject({ code: 'catalog-unavailable' });
});

test('where rows are kept, others build the same catalog and the state of a new session from them', async () => {
  source.close();
  source = createCatalogSource({ connect, clock, keepRows: true });
  await ddl.query(`create table public.dumped (a int, b text default 'ü "\\')`);
  const catalog = await source.refresh();
  const text = (await source.dump(catalog.version)).toString('utf8');
  const opened = catalogOf(parseDump(text));
  expect(opened.catalog).toEqual(catalog);
  expect(opened.state).toMatchObject({ currentUser: postgres.superuser, tempRelations: [] });
});

test('sizes that move without a change of meaning leave the kept rows those of the snapshot', async () => {
  source.close();
  source = createCatalogSource({ connect, clock, keepRows: true });
  await ddl.query('create table public.sized as select generate_series(1, 15) as a');
  await ddl.query('analyze public.sized');
  const catalog = await source.refresh();
  await ddl.query('insert into public.sized select 1 from generate_series(1, 20)');
  await ddl.query('analyze public.sized');
  await ddl.query('create temporary table passing (a int)');
  expect(await source.refresh()).toBe(catalog);
  expect(catalogOf(parseDump((await source.dump(catalog.version)).toString('utf8'))).catalog.version).toBe(catalog.version);
});

test('rows of a snapshot that was replaced are gone, and where none are kept none are given', async () => {
  const unkept = await source.refresh();
  await expect(source.dump(unkept.version)).rejects.toMatchObject({ code: 'catalog-unavailable' });
  source.close();
  source = createCatalogSource({ connect, clock, keepRows: true });
  const before = await source.refresh();
  await ddl.query('create table public.replacing (a int)');
  const after = await source.refresh();
  await expect(source.dump(before.version)).rejects.toMatchObject({ code: 'catalog-unavailable' });
  expect(has(catalogOf(parseDump((await source.dump(after.version)).toString('utf8'))).catalog, 'replacing')).toBe(true);
});
