/** Keeps one snapshot of a target's catalog, read over a connection of the gateway's own and shared by all its sessions. */
import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { createGzip, gunzip } from 'node:zlib';
import { SallyportError } from '../../core/errors.ts';
import { catalogSteps } from '../../core/statement/sql/catalog-build.ts';
import { CATALOG_DUMP_FORMAT } from '../../core/statement/sql/catalog-dump.ts';
import type { Catalog } from '../../core/statement/sql/catalog.ts';
import { CATALOG_FINGERPRINT } from '../../core/statement/sql/catalog-fingerprint.ts';
import {
  BEGIN_SNAPSHOT,
  CATALOG_SECTIONS,
  CATALOG_SESSION,
  END_SNAPSHOT,
  type Rows,
  type SnapshotRows,
} from '../../core/statement/sql/catalog-query.ts';
import { stateQuery } from '../../core/statement/sql/state-query.ts';
import { POSTGRES_MAJORS, type PostgresMajor } from '../../core/target.ts';
import type { Clock } from '../ports.ts';

/** The catalog could not be read for too long, or is of a version whose grammar is not carried: nothing can be judged. */
export class CatalogUnavailable extends SallyportError {
  readonly code = 'catalog-unavailable';
}

/** The gateway's own connection to one database of the target. */
export type CatalogConnection = {
  /** Runs one statement; all columns as text. Rejects when the statement fails or the connection is lost. */
  query(sql: string): Promise<Rows>;
  close(): Promise<void>;
};

export type CatalogSourceOptions = {
  readonly connect: () => Promise<CatalogConnection>;
  readonly clock: Pick<Clock, 'now' | 'after'>;
  /** Whether `dump` is going to be asked: then the rows of a snapshot are kept with it, packed. */
  readonly keepRows?: boolean;
};

/** How often DDL from outside the gateway is looked for while sessions live. */
const POLL_MS = 2_000;
/** How old the last successful look may be; a target that cannot be asked for longer is closed. */
const MAX_AGE_MS = 30_000;
/** The connection outlives its last session a little, since sessions of agents are often short. */
const LINGER_MS = 60_000;
/** Longer than the statement_timeout of the connection: only a dead link reaches it. */
const ANSWER_MS = 25_000;
/** DDL that commits while a snapshot is read makes it worthless; after so many in a row the read has failed. */
const MAX_READS = 5;

type Snapshot = { readonly catalog: Catalog; readonly fingerprint: string; readonly complete: boolean };
type Open = {
  readonly connection: CatalogConnection;
  readonly major: PostgresMajor;
  /** What a session sees as it starts, where rows are kept. */
  readonly state: string;
};

const unpacked = promisify(gunzip);

/** See `createCatalogSource`. */
export class PostgresCatalogSource {
  readonly #options: CatalogSourceOptions;
  readonly #listeners = new Set<(catalog: Catalog) => void>();
  #open: Open | undefined;
  #snapshot: Snapshot | undefined;
  #kept: { readonly version: string; readonly packed: Promise<Buffer> } | undefined;
  #checkedAtMs = Number.NEGATIVE_INFINITY;
  #running: Promise<Catalog> | undefined;
  #next: Promise<Catalog> | undefined;
  #sessions = 0;
  #timer: { cancel(): void } | undefined;
  #closed = false;

  constructor(options: CatalogSourceOptions) {
    this.#options = options;
  }

  /** The snapshot in force. Throws CatalogUnavailable when there is none that was confirmed in the last 30 s. */
  current(): Catalog {
    if (this.#snapshot === undefined) throw new CatalogUnavailable('the catalog of the target has not been read');
    const ageMs = this.#options.clock.now() - this.#checkedAtMs;
    if (ageMs > MAX_AGE_MS) throw new CatalogUnavailable(`the catalog of the target could not be read for ${Math.round(ageMs / 1000)} s`);
    return this.#snapshot.catalog;
  }

  /** What the fingerprint query answered for that snapshot: whoever gets another answer sees another catalog. */
  fingerprint(): string {
    return this.#snapshot?.fingerprint ?? '';
  }

  /**
   * Resolves with a snapshot that holds everything committed before this call; the same object as before when nothing
   * changed. Rejects with CatalogUnavailable. Calls that come while one is running share the next one.
   */
  refresh(): Promise<Catalog> {
    if (this.#next !== undefined) return this.#next;
    if (this.#running === undefined) return this.#start();
    // A failure of the one that runs is its callers' to hear.
    this.#next = this.#running.then(
      () => this.#start(),
      () => this.#start(),
    );
    return this.#next;
  }

  /** Counts a session in: from now on changes are looked for. Resolves when the snapshot is fresh. Call `release` once. */
  async acquire(): Promise<{ readonly catalog: Catalog; release(): void }> {
    this.#sessions += 1;
    if (this.#sessions === 1) this.#schedule();
    try {
      const isFresh = this.#options.clock.now() - this.#checkedAtMs < POLL_MS;
      const catalog = isFresh ? this.current() : await this.refresh();
      let held = true;
      return {
        catalog,
        release: () => {
          if (held) this.#release();
          held = false;
        },
      };
    } catch (error) {
      this.#release();
      throw error;
    }
  }

  /**
   * The file of `catalog-dump.ts` for the snapshot of this version, as JSON. Reading the rows again would not do: sizes and names of
   * temporary schemas change without a change of meaning. Rejects with CatalogUnavailable.
   */
  async dump(version: string): Promise<Buffer> {
    if (this.#options.keepRows !== true) throw new CatalogUnavailable('rows of catalogs are not kept here');
    const kept = this.#kept;
    if (kept?.version !== version) throw new CatalogUnavailable('the catalog of the target has just changed');
    try {
      return await unpacked(await kept.packed);
    } catch (cause) {
      throw new CatalogUnavailable('the rows of the catalog could not be kept', { cause });
    }
  }

  /** Called with each new snapshot. */
  onChange(changed: (catalog: Catalog) => void): { stop(): void } {
    this.#listeners.add(changed);
    return { stop: () => void this.#listeners.delete(changed) };
  }

  /** Ends the connection; what is being read fails. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#disconnect();
  }

  #release(): void {
    this.#sessions -= 1;
    if (this.#sessions === 0) this.#schedule();
  }

  #schedule(): void {
    this.#timer?.cancel();
    if (this.#closed) return;
    const { clock } = this.#options;
    this.#timer =
      this.#sessions > 0
        ? clock.after(POLL_MS, () => {
            // A failed look leaves the old snapshot until it is too old; the next look may succeed.
            void this.refresh().then(
              () => this.#schedule(),
              () => this.#schedule(),
            );
          })
        : clock.after(LINGER_MS, () => this.#disconnect());
  }

  #start(): Promise<Catalog> {
    this.#next = undefined;
    const running = this.#read().finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
    return running;
  }

  async #read(): Promise<Catalog> {
    let cause: unknown;
    // The connection may have died while nobody used it: a second attempt has a new one.
    for (let attempt = 0; attempt < 2 && !this.#closed; attempt += 1) {
      try {
        const startedAtMs = this.#options.clock.now();
        const snapshot = await this.#readSnapshot();
        this.#checkedAtMs = startedAtMs;
        if (snapshot !== this.#snapshot) this.#adopt(snapshot);
        return snapshot.catalog;
      } catch (error) {
        cause = error;
        this.#disconnect();
        if (error instanceof CatalogUnavailable) break;
      }
    }
    if (cause instanceof CatalogUnavailable) throw cause;
    throw new CatalogUnavailable('the catalog of the target could not be read', { cause });
  }

  async #readSnapshot(): Promise<Snapshot> {
    const open = await this.#connected();
    const old = this.#snapshot;
    if (old?.complete === true && (await this.#fingerprint(open)) === old.fingerprint) return old;
    for (let reads = 0; reads < MAX_READS; reads += 1) {
      const rows: Partial<Record<keyof SnapshotRows, Rows>> = {};
      await this.#ask(open, BEGIN_SNAPSHOT);
      const fingerprint = await this.#fingerprint(open);
      for (const { name, sql } of CATALOG_SECTIONS) rows[name] = await this.#ask(open, sql);
      await this.#ask(open, END_SNAPSHOT);
      // Deparsed texts are newer than the snapshot when DDL commits meanwhile: only an unchanged catalog is one.
      if ((await this.#fingerprint(open)) !== fingerprint) continue;
      // CATALOG_SECTIONS names every section.
      const read = rows as SnapshotRows;
      const { catalog, complete } = await inSteps(catalogSteps(open.major, read));
      if (this.#options.keepRows === true && this.#kept?.version !== catalog.version) this.#keep(open, catalog.version, read);
      const isSame = old !== undefined && old.catalog.version === catalog.version;
      return { catalog: isSame ? old.catalog : catalog, fingerprint, complete };
    }
    throw new Error('the catalog changes faster than it can be read');
  }

  #keep({ major, state }: Open, version: string, rows: SnapshotRows): void {
    const packed = packedDump(major, state, rows);
    // Whoever asks for it hears of a failure.
    packed.catch(() => undefined);
    this.#kept = { version, packed };
  }

  #adopt(snapshot: Snapshot): void {
    const isNew = snapshot.catalog !== this.#snapshot?.catalog;
    this.#snapshot = snapshot;
    if (isNew) for (const changed of this.#listeners) changed(snapshot.catalog);
  }

  async #connected(): Promise<Open> {
    if (this.#open !== undefined) return this.#open;
    const connecting = this.#options.connect();
    const connection = await this.#inTime(connecting).catch((error: unknown) => {
      // One that opens after all is not wanted any more.
      connecting.then(closeQuietly, () => undefined);
      throw error;
    });
    try {
      const asks = this.#options.keepRows === true ? await this.#inTime(connection.query(stateQuery())) : [];
      for (const sql of CATALOG_SESSION) await this.#inTime(connection.query(sql));
      const [row] = await this.#inTime(connection.query(`SELECT pg_catalog.current_setting('server_version_num')`));
      const number = Math.floor(Number(row?.[0]) / 10_000);
      const major = POSTGRES_MAJORS.find((candidate) => candidate === number);
      if (major === undefined) throw new CatalogUnavailable(`the target runs PostgreSQL ${number}, whose grammar is not carried`);
      if (this.#closed) throw new CatalogUnavailable('the gateway is closing');
      this.#open = { connection, major, state: asks[0]?.[0] ?? '' };
      return this.#open;
    } catch (error) {
      closeQuietly(connection);
      throw error;
    }
  }

  async #fingerprint(open: Open): Promise<string> {
    const [row] = await this.#ask(open, CATALOG_FINGERPRINT);
    const fingerprint = row?.[0];
    if (typeof fingerprint !== 'string') throw new Error('the fingerprint of the catalog is missing');
    return fingerprint;
  }

  #ask(open: Open, sql: string): Promise<Rows> {
    return this.#inTime(open.connection.query(sql));
  }

  #inTime<T>(answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const limit = this.#options.clock.after(ANSWER_MS, () => reject(new Error('the target does not answer')));
      answer.then(resolve, reject).finally(() => limit.cancel());
    });
  }

  #disconnect(): void {
    const open = this.#open;
    this.#open = undefined;
    if (open !== undefined) closeQuietly(open.connection);
  }
}

/** Keeps one snapshot of the target that `connect` leads to. Nothing is opened before the first `refresh` or `acquire`. */
export function createCatalogSource(options: CatalogSourceOptions): PostgresCatalogSource {
  return new PostgresCatalogSource(options);
}

/** Lets the event loop turn between steps: a large catalog takes long to build, and sessions go on meanwhile. */
async function inSteps<T>(steps: Generator<undefined, T>): Promise<T> {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    await new Promise((resume) => setImmediate(resume));
  }
}

/** How many rows become text between two pauses. */
const ROWS_PER_PIECE = 4_096;

/** The dump as JSON, packed on another thread while sessions go on. */
async function packedDump(major: PostgresMajor, state: string, rows: SnapshotRows): Promise<Buffer> {
  const pack = createGzip({ level: 1 });
  const packed = buffer(pack);
  const write = async (text: string): Promise<void> => {
    if (!pack.write(text)) await once(pack, 'drain');
  };
  await write(`{"format":${JSON.stringify(CATALOG_DUMP_FORMAT)},"major":${major},"state":${JSON.stringify(state)},"rows":{`);
  for (const [index, { name }] of CATALOG_SECTIONS.entries()) {
    await write(`${index === 0 ? '' : ','}${JSON.stringify(name)}:[`);
    for (let from = 0; from < rows[name].length; from += ROWS_PER_PIECE) {
      const piece = JSON.stringify(rows[name].slice(from, from + ROWS_PER_PIECE));
      await write(`${from === 0 ? '' : ','}${piece.slice(1, -1)}`);
      await new Promise((resume) => setImmediate(resume));
    }
    await write(']');
  }
  pack.end('}}');
  return packed;
}

/** Nothing waits for a connection to close, and one that fails to close is gone as well. */
function closeQuietly(connection: CatalogConnection): void {
  connection.close().catch(() => undefined);
}
