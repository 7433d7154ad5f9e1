// The embedded stores of the console keep to the contracts of those on AWS.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import type { Principal } from '../../../core/principal.ts';
import { SqliteControl } from '../../../standalone/state/sqlite-control.ts';
import { SqliteSignInStore } from '../../../standalone/state/sqlite-sign-in-store.ts';
import { openState } from '../../../standalone/state/state-database.ts';
import { lockDirectoryContract } from '../../contract/lock-directory.ts';
import { sessionDirectoryContract, type OpenedSession } from '../../contract/session-directory.ts';
import { signInStoreContract } from '../../contract/sign-in-store.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const cleanUp: (() => void)[] = [];
afterEach(() => {
  for (const step of cleanUp.splice(0).toReversed()) step();
});

function state() {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-directories-'));
  const db = openState(directory);
  cleanUp.push(() => rmSync(directory, { recursive: true, force: true }));
  cleanUp.push(() => void db.close());
  return { directory, db, clock: new ManualClock(1_700_000_000_000) };
}

function controlled() {
  const { db, clock } = state();
  const another = (): SqliteControl => new SqliteControl({ db, clock, budgetsOf: () => [] });
  const control = another();
  const told = new Map<string, string[]>();
  const watches = new Map<string, { stop(): void }>();
  const open = async ({ id, principal: name, human, owner }: OpenedSession): Promise<void> => {
    const [issuer = '', agent = ''] = name.split('/');
    const principal: Principal = {
      issuer,
      agent,
      ...(human === undefined ? {} : { human }),
      ...(owner === undefined ? {} : { owner }),
      groups: [],
      expiresAtMs: Infinity,
    };
    const heard: string[] = [];
    told.set(id, heard);
    watches.set(
      id,
      control.watch({ id, principal }, (by, reason) => heard.push(`${by}: ${reason}`)),
    );
    control.describe(id, { target: 'bank', source: '10.0.0.1' });
  };
  return { control, another, clock, open, told, close: async (id: string) => watches.get(id)?.stop() };
}

signInStoreContract('state.db', async () => {
  const { directory, db, clock } = state();
  const read = (file: string): string => readFileSync(join(directory, file), 'latin1');
  return { store: new SqliteSignInStore(db, clock), clock, stored: async () => readdirSync(directory).map(read).join('') };
});

sessionDirectoryContract('the process', async () => {
  const { control, open, close, told } = controlled();
  return { directory: control, open, close, settle: async () => {}, told: (id) => told.get(id) ?? [] };
});

lockDirectoryContract('state.db', async () => {
  const { control, another, open, clock } = controlled();
  return { locks: control, another, open, clock };
});
