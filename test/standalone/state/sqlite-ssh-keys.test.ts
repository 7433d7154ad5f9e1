import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { SqliteSshLogins } from '../../../standalone/state/sqlite-ssh-keys.ts';
import { openState } from '../../../standalone/state/state-database.ts';
import { sshLoginsContract } from '../../contract/ssh-keys.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const cleanUp: (() => void)[] = [];
afterEach(() => {
  for (const step of cleanUp.splice(0).toReversed()) step();
});

function open() {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-ssh-keys-'));
  const db = openState(directory);
  cleanUp.push(() => rmSync(directory, { recursive: true, force: true }));
  cleanUp.push(() => void db.close());
  const clock = new ManualClock(1_700_000_000_000);
  return { logins: new SqliteSshLogins(db, clock), clock };
}

sshLoginsContract('state.db', async () => {
  const { logins, clock } = open();
  return { store: logins, logins, clock };
});

test('a principal that registers without end pushes out its own oldest login, and no other’s', async () => {
  const { logins, clock } = open();
  const login = (principal: string, expiresAtMs: number) => ({ principal, expiresAtMs, sealed: 'x' });
  await logins.keep('key#other', login('corp/other', clock.now() + 1));
  for (let n = 0; n < 70; n += 1) await logins.keep(`key#${n}`, login('corp/agent-7', clock.now() + 100 + n));
  expect(await logins.readKey('key#0')).toBeUndefined();
  expect(await logins.readKey('key#5')).toBeUndefined();
  expect(await logins.readKey('key#6')).toBeDefined();
  expect(await logins.readKey('key#other')).toBeDefined();
});
