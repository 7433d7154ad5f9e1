// `sallyport approvals`, `sessions` and `token --operator` against a gateway on AWS.
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { dispatch } from '../../cli/dispatch.ts';
import { operatorNonce } from '../../core/identity/operator-nonce.ts';
import { LOCKS_ITEM, mailItem } from '../../core/state/control.ts';
import { keptIo } from '../support/verb-io.ts';
import { startAwsConsole, type AwsConsole } from './support/aws-console.ts';

let running: AwsConsole;
/** Dana is of group `dba`, which operates here. */
let operatorToken: string;
beforeAll(async () => {
  running = await startAwsConsole();
  await running.activate(2, 'demo/dba');
  operatorToken = (await sallyport('token', '--operator', '--as', 'dana@bank.example')).stdout.trim();
});
afterAll(() => running.stop());
beforeEach(async () => {
  await running.openSession();
  await running.remove('CONTROL', mailItem('t1-a'));
  await running.remove('CONTROL', LOCKS_ITEM);
});

async function run(words: readonly string[], env: Readonly<Record<string, string>>) {
  const io = keptIo({ env });
  const status = await dispatch(words, io);
  return { status, ...io.written };
}
const sallyport = (...words: readonly string[]) => run(words, { SALLYPORT_API: running.alb.url });
const asOperator = (...words: readonly string[]) =>
  run(words, { SALLYPORT_API: `${running.alb.url}/`, SALLYPORT_OPERATOR_TOKEN: operatorToken });

describe('sallyport token --operator', () => {
  test('signs in for this gateway, and for no other', () => {
    expect(decodeJwt(operatorToken)['nonce']).toBe(operatorNonce(running.alb.url));
  });

  test('signs in nowhere for a gateway that calls itself otherwise', async () => {
    const { status, stdout, stderr } = await sallyport(
      'token',
      '--operator',
      '--api',
      running.alb.url.replace('127.0.0.1', 'localhost'),
      '--as',
      'dana@bank.example',
    );
    expect([status, stdout]).toEqual([1, '']);
    // The console knows no such name; one that lied about it would be told apart by what it says.
    expect(stderr).toContain('not known by that name');
  });

  test.each([
    [['token', '--operator', '--api', 'http://console.example'], 'no https address'],
    [['token', '--operator', '--api', 'https://user:secret@console.example'], 'no https address'],
    [['token', '--operator', '--principal', 'agent-7'], '--principal has no meaning'],
    [['token', '--operator', '--ttl', '1h'], '--ttl has no meaning'],
    [['token', '--api', 'https://console.example', '--principal', 'x'], 'go with --operator'],
    [['sessions', '--api', 'http://console.example'], 'no https address'],
    [['sessions', 'show', 's_01'], 'name them with --evidence'],
  ])('%j is wrong usage', async (words, says) => {
    const { status, stderr } = await sallyport(...words);
    expect(status).toBe(2);
    expect(stderr).toContain(says);
  });

  test('needs the address of a gateway', async () => {
    expect(await run(['token', '--operator'], {})).toMatchObject({ status: 2, stderr: expect.stringContaining('--api or SALLYPORT_API') });
  });
});

describe('sallyport sessions', () => {
  test('lists what is live, ends it, locks and unlocks, in the operator’s name', async () => {
    const listed = await asOperator('sessions');
    expect(listed.status).toBe(0);
    expect(listed.stdout).toMatch(/^s_01 +corp\/agent-7 +alice@bank\.example +bank +10\.0\.0\.1 +2023-11-14 22:13:20$/m);
    expect(JSON.parse((await asOperator('sessions', '--json')).stdout)).toMatchObject({ id: 's_01', owner: 'owen@bank.example' });
    expect((await asOperator('sessions', 'end', 's_01', '--reason', 'strange')).stdout).toBe('s_01 was ended\n');
    expect(await running.mail()).toMatchObject([{ kind: 'end', by: 'dana@bank.example', reason: 'strange' }]);
    expect((await asOperator('sessions', 'lock', 'corp/agent-7', '--reason', 'strange')).stdout).toContain('1 live session was ended');
    expect((await asOperator('sessions', 'locks')).stdout).toContain('by dana@bank.example: strange');
    expect((await asOperator('sessions', 'unlock', 'corp/agent-7')).status).toBe(0);
    expect(await asOperator('sessions', 'end', 's_99', '--reason', 'x')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('No session with this id'),
    });
  });

  test('says how to become an operator, and takes no agent’s token for one', async () => {
    const agents = await running.corp.sign({
      sub: 'agent-7',
      aud: 'sallyport',
      exp: 4_000_000_000,
      groups: ['dba'],
      email: 'dana@bank.example',
    });
    for (const env of [{}, { SALLYPORT_OPERATOR_TOKEN: agents }, { SALLYPORT_TOKEN: operatorToken }]) {
      const { status, stdout, stderr } = await run(['sessions'], { SALLYPORT_API: running.alb.url, ...env });
      expect([status, stdout]).toEqual([1, '']);
      expect(stderr).toContain('sallyport token --operator');
    }
  });
});

describe('sallyport approvals', () => {
  test('lists for operators; whoever has the id reads and, signed in, answers', async () => {
    const request = await running.ask();
    expect((await asOperator('approvals')).stdout).toContain(request.id);
    expect(await sallyport('approvals')).toMatchObject({ status: 1, stderr: expect.stringContaining('sallyport token --operator') });
    expect((await sallyport('approvals', 'show', request.id)).stdout).toContain(request.text);
    expect(await sallyport('approvals', 'approve', request.id, '--as', 'owen@bank.example')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('own the agent'),
    });
    expect((await sallyport('approvals', 'approve', request.id, '--as', 'dana@bank.example', '--reason', 'ok')).stdout).toBe(
      `${request.id} is approved\n`,
    );
    expect(await running.itemOf('DECISIONS', request.id)).toMatchObject({
      state: 'approved',
      votes: [{ person: 'dana@bank.example', channel: 'cli' }],
    });
  });
});
