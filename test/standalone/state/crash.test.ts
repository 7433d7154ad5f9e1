import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { SqliteApprovalGate } from '../../../standalone/state/sqlite-approval-gate.ts';
import { openState } from '../../../standalone/state/state-database.ts';
import { aRequest } from '../../support/approval-requests.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const from = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);

test('after kill -9 a pending request still waits, an approval can be used, and a claim under way is unknown', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-crash-'));
  const script = `
    import { SqliteApprovalGate } from ${from('../../../standalone/state/sqlite-approval-gate.ts')};
    import { openState } from ${from('../../../standalone/state/state-database.ts')};
    import { aRequest } from ${from('../../support/approval-requests.ts')};
    import { ApproverTokens } from ${from('../../support/approver-tokens.ts')};
    import { ManualClock } from ${from('../../support/manual-clock.ts')};
    import { approvalNonce } from ${from('../../../core/approval/nonce.ts')};
    const tokens = new ApproverTokens();
    const gate = new SqliteApprovalGate({ db: openState(${JSON.stringify(directory)}), clock: new ManualClock(), verifyIdToken: tokens.verify, notify: () => {} });
    for (const id of ['ap_1', 'ap_2', 'ap_3']) await gate.request(aRequest({ id }));
    for (const id of ['ap_2', 'ap_3']) {
      const idToken = tokens.issue('dana@bank.example', approvalNonce(id, aRequest().digest), 0);
      await gate.vote(id, { answer: 'approve', reason: '', channel: 'page', idToken });
    }
    await gate.claim('ap_3', { session: 's', writer: 'w', statement: 1 });
    console.log('claimed');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;

  const db = openState(directory);
  const refuseAll = async (): Promise<never> => {
    throw new Error('no tokens here');
  };
  const gate = new SqliteApprovalGate({ db, clock: new ManualClock(), verifyIdToken: refuseAll, notify: () => {} });
  expect(await gate.read('ap_1')).toMatchObject({ state: 'pending' });
  expect(await gate.claim('ap_2', { session: 's', writer: 'w2', statement: 1 })).toBe(true);
  expect(await gate.read('ap_3')).toMatchObject({ state: 'claimed', claim: { outcome: { result: 'unknown', answerDelivered: false } } });
  expect(await gate.find(aRequest().digest)).toHaveLength(3);
  gate.close();
  db.close();
  rmSync(directory, { recursive: true, force: true });
});
