import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { followDemoSignIn, signInAtDemo, signInWithBrowser } from '../../cli/approver-sign-in.ts';
import { verb as approvals } from '../../cli/approvals.ts';
import { endSession } from '../../cli/session-end.ts';
import { verb as sessions } from '../../cli/sessions.ts';
import { verb as token } from '../../cli/token.ts';
import type { ApprovalRequest } from '../../core/approval/approval.ts';
import { ensureOperatorToken } from '../../standalone/operator-token.ts';
import { writeRunning } from '../../standalone/running.ts';
import { aHostRequest, aRequest } from '../support/approval-requests.ts';
import { startConsole, type RunningConsole } from '../support/running-console.ts';
import { startSigningIssuer } from '../support/signing-issuer.ts';
import { keptIo, type KeptIo } from '../support/verb-io.ts';

let running: RunningConsole;
let io: KeptIo;
let request: ApprovalRequest;
let asked = 0;

beforeAll(async () => {
  running = await startConsole();
});
afterAll(() => running.stop());
beforeEach(async () => {
  io = keptIo({ env: { SALLYPORT_DATA: running.dataDir } });
  asked += 1;
  const requestedAtMs = running.clock.now();
  request = aRequest({ id: `ap_${asked}`, requestedAtMs, expiresAtMs: requestedAtMs + 3_600_000 });
  await running.gate.request(request);
});

const stateOf = async () => (await running.gate.read(request.id))?.state;

describe('sallyport approvals', () => {
  test('what waits is listed on one line each, and as JSON', async () => {
    await running.gate.request({ ...request, id: 'ap_odd', text: 'select 1\n\u001b[2J -- x' });
    expect(await approvals.run([], io)).toBe(0);
    const lines = io.written.stdout.split('\n');
    expect(lines.find((line) => line.startsWith('ap_odd'))).toContain('demo/agent-7 → bank  select 1\\n\\u{1b}[2J -- x');
    const json = keptIo({ env: { SALLYPORT_DATA: running.dataDir } });
    await approvals.run(['--json'], json);
    expect(
      json.written.stdout
        .trim()
        .split('\n')
        .map((line): unknown => JSON.parse(line)),
    ).toContainEqual(expect.objectContaining({ id: request.id }));
    await running.gate.withdraw('ap_odd', 'r');
  });

  test('show tells of an operation on a host its account and its variables', async () => {
    const { requestedAtMs, expiresAtMs } = request;
    await running.gate.request(aHostRequest({ id: `${request.id}h`, requestedAtMs, expiresAtMs, environment: ['LANG=C\nOwner   nobody'] }));
    expect(await approvals.run(['show', `${request.id}h`], io)).toBe(0);
    expect(io.written.stdout).toContain(
      'The exact statement on web1 as deploy, 21 bytes:\n  systemctl restart app\n  with LANG=C\\nOwner   nobody\nWhat it reads from its standard input, and what is in a file that is sent, is no part of it.\n',
    );
    expect(io.written.stdout).toMatch(/elevate web1 through sudo\n {2}runProgram web1:systemctl restart\n {2}readFile web1:\/srv\/app\n/);
    await running.gate.withdraw(`${request.id}h`, 'r');
  });

  test('show tells effects, the exact statement and who asks, and a reason cannot pass for a line of ours', async () => {
    await running.gate.withdraw(request.id, 'r');
    const forged = { ...request, id: `${request.id}f`, reasonGiven: 'fine\nOwner   nobody\u001b[1A' };
    await running.gate.request(forged);
    expect(await approvals.run(['show', forged.id], io)).toBe(0);
    expect(io.written.stdout).toContain('update bank.public.accounts');
    expect(io.written.stdout).toContain(`  ${request.text}`);
    expect(io.written.stdout.split('\n').filter((line) => line.startsWith('Owner'))).toEqual(['Owner   owen@bank.example']);
    expect(io.written.stdout).not.toContain('\u001b');
  });

  test('Dana approves with --as, and the statement was shown first', async () => {
    expect(await approvals.run(['approve', request.id, '--as', 'dana@bank.example', '--reason', 'ok'], io)).toBe(0);
    expect(io.written.stdout).toBe(`${request.id} is approved\n`);
    expect(io.written.stderr).toContain(request.text);
    expect(await running.gate.read(request.id)).toMatchObject({
      state: 'approved',
      votes: [{ person: 'dana@bank.example', reason: 'ok' }],
    });
  });

  test('latest is the newest that waits', async () => {
    const newer = { ...request, id: `${request.id}_newer`, requestedAtMs: request.requestedAtMs + 1 };
    await running.gate.request(newer);
    expect(await approvals.run(['show', 'latest', '--json'], io)).toBe(0);
    expect(JSON.parse(io.written.stdout)).toMatchObject({ id: newer.id });
    await approvals.run(['reject', 'latest', '--as', 'dana@bank.example'], io);
    expect(await running.gate.read(newer.id)).toMatchObject({ state: 'rejected' });
    await approvals.run(['approve', 'latest', '--as', 'dana@bank.example'], io);
    expect(await stateOf()).toBe('approved');
    for (const { state, request: each } of await running.gate.list({ open: true, limit: 200 }))
      if (state === 'pending') await running.gate.withdraw(each.id, 'to leave none');
    await expect(approvals.run(['approve', 'latest', '--as', 'dana@bank.example'], io)).rejects.toThrow('nothing waits');
  });

  test('show says until when an approval can be used, and what became of it', async () => {
    await approvals.run(['approve', request.id, '--as', 'dana@bank.example'], io);
    await approvals.run(['show', request.id], io);
    expect(io.written.stdout).toContain(`${request.id}  approved, to be used until `);
    await running.gate.claim(request.id, { session: 's', writer: 'w', statement: 1 });
    await running.gate.settle(request.id, { result: 'rolledBack', rows: 0, atMs: 0, answerDelivered: true });
    await approvals.run(['show', request.id], io);
    expect(io.written.stdout).toContain(`${request.id}  claimed: rolledBack\n`);
  });

  test('Erin rejects with --as', async () => {
    expect(await approvals.run(['reject', request.id, '--as', 'erin@bank.example'], io)).toBe(0);
    expect(await stateOf()).toBe('rejected');
  });

  test.each([
    ['owen@bank.example', 'you own the agent'],
    ['alice@bank.example', 'the agent acts for you'],
    ['nobody@bank.example', 'cannot sign in'],
  ])('%s is told why not', async (person, reason) => {
    await expect(approvals.run(['approve', request.id, '--as', person], io)).rejects.toThrow(reason);
    expect(await stateOf()).toBe('pending');
  });

  test('a browser’s sign-in comes back to a port of this machine', async () => {
    const signedIn = signInWithBrowser(
      { issuer: running.issuer.url, clientId: 'sallyport-cli', nonce: 'n-1' },
      {
        write: (text) => {
          const url = new URL(text.trim().split(/\s+/).at(-1) ?? '');
          const until = url.searchParams.get('redirect_uri') ?? '';
          // What a person and a browser do: first something else knocks, then the return of the sign-in.
          void (async () => {
            const stray = await fetch(`${until}?code=x&state=forged`);
            expect(stray.status).toBe(404);
            await fetch(await followDemoSignIn(url, 'dana@bank.example', until));
          })();
        },
      },
    );
    expect(decodeJwt(await signedIn)).toMatchObject({ nonce: 'n-1', email: 'dana@bank.example', groups: ['dba'], aud: 'sallyport-cli' });
  });

  test('--as is refused where not anyone may be anyone', async () => {
    const elsewhere = await startSigningIssuer();
    const asked = { issuer: elsewhere.url, clientId: 'sallyport-cli', nonce: 'n' };
    await expect(signInAtDemo(asked, 'dana@bank.example')).rejects.toMatchObject({ code: 'usage' });
    await expect(signInAtDemo({ ...asked, issuer: 'https://login.example' }, 'dana@bank.example')).rejects.toMatchObject({ code: 'usage' });
    await elsewhere.stop();
  });

  test.each([[['approve']], [['approve', '../x']], [['grant', 'ap_1']], [['show', 'a', 'b']], [['--bogus']], [['list', 'ap_1']]])(
    '%j is wrong usage',
    async (words) => {
      await expect(approvals.run(words, io)).rejects.toMatchObject({ code: 'usage' });
    },
  );

  test('without a gateway the message says how to start one', async () => {
    const empty = mkdtempSync(join(tmpdir(), 'sallyport-empty-'));
    await expect(approvals.run(['--data', empty], io)).rejects.toThrow('sallyport demo');
    rmSync(empty, { recursive: true });
  });
});

describe('sallyport token', () => {
  test('only the token is printed, and a delegated one names the person as its subject', async () => {
    const words = [
      '--principal',
      'agent-7',
      '--group',
      'analysts',
      '--group',
      'ops',
      '--on-behalf-of',
      'alice@bank.example',
      '--ttl',
      '5m',
    ];
    expect(await token.run(words, io)).toBe(0);
    const claims = decodeJwt(io.written.stdout.trim());
    expect(claims).toMatchObject({
      iss: running.issuer.url,
      aud: 'sallyport',
      sub: 'alice@bank.example',
      act: { sub: 'agent-7' },
      groups: ['analysts', 'ops'],
    });
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(300);
  });

  test('a token of its own names the agent as its subject', async () => {
    await token.run(['--principal', 'agent-7'], io);
    const claims = decodeJwt(io.written.stdout.trim());
    expect([claims.sub, claims['act'], claims['groups']]).toEqual(['agent-7', undefined, []]);
  });

  test.each(['https://login.example', 'http://127.0.0.1.example'])('the operator token is not sent to %s', async (issuer) => {
    await expect(tokenFrom(issuer)).rejects.toThrow('no demo issuer');
  });

  test('an issuer of this machine that is not the demo’s does not get the operator token', async () => {
    const issuer = await startSigningIssuer();
    const asked: (string | undefined)[] = [];
    issuer.answer = (request, response) => {
      asked.push(request.headers.authorization);
      response.end('{"token":"t"}');
    };
    await expect(tokenFrom(issuer.url)).rejects.toThrow('no demo issuer');
    expect(asked).toEqual([]);
    await issuer.stop();
  });

  test('the issuer mints for nobody but the operator', async () => {
    const body = JSON.stringify({ principal: 'agent-7', groups: [], ttlSeconds: 60 });
    for (const authorization of ['', 'Bearer x', `Basic ${running.operatorToken}`]) {
      expect((await fetch(`${running.issuer.url}/demo/tokens`, { method: 'POST', body, headers: { authorization } })).status).toBe(401);
    }
    const authorization = `Bearer ${running.operatorToken}`;
    for (const bad of [
      '{',
      '{}',
      body.replace('60', '0'),
      body.replace('60', '86401'),
      body.replace('"agent-7"', '""'),
      body.replace('[]', '[1]'),
    ]) {
      expect((await fetch(`${running.issuer.url}/demo/tokens`, { method: 'POST', body: bad, headers: { authorization } })).status).toBe(
        400,
      );
    }
  });

  test.each([
    [[]],
    [['--principal', 'a', '--ttl', '0s']],
    [['--principal', 'a', '--ttl', '25h']],
    [['--principal', 'a', '--ttl', '1d']],
    [['x']],
  ])('%j is wrong usage', async (words) => {
    await expect(token.run(words, io)).rejects.toMatchObject({ code: 'usage' });
  });
});

describe('sallyport sessions end', () => {
  test('a live session ends and hears why', async () => {
    const ends: string[] = [];
    running.control.watch({ id: 's-5', principal: { issuer: 'demo', agent: 'a', groups: [], expiresAtMs: 0 } }, (_, reason) =>
      ends.push(reason),
    );
    expect(await endSession(['s-5', '--reason', 'strange'], io)).toBe(0);
    expect(ends).toEqual(['strange']);
    await expect(endSession(['s-5', '--reason', 'strange'], io)).rejects.toThrow('No session');
    await expect(endSession(['s-5'], io)).rejects.toMatchObject({ code: 'usage' });
  });
});

describe('sallyport sessions lock', () => {
  test('a locked agent is listed until it is unlocked', async () => {
    expect(await sessions.run(['lock', 'demo/agent-7', '--reason', 'strange\u202e'], io)).toBe(0);
    expect(io.written.stdout).toBe('demo/agent-7 is locked; 0 live sessions were ended\n');
    expect(running.control.refusal({ issuer: 'demo', agent: 'agent-7', groups: [], expiresAtMs: 0 })).toContain('strange');
    await sessions.run(['locks'], io);
    expect(io.written.stdout).toContain('by operator: strange\\u{202e}\n');
    expect(await sessions.run(['unlock', 'demo/agent-7'], io)).toBe(0);
    expect(await running.control.locks()).toEqual([]);
    await expect(sessions.run(['unlock', 'demo/agent-7'], io)).rejects.toThrow('Nothing is locked');
  });

  test.each([
    [['lock']],
    [['lock', 'a']],
    [['lock', 'a', 'b', '--reason', 'x']],
    [['unlock']],
    [['unlock', 'a', '--reason', 'x']],
    [['locks', 'a']],
  ])('%j is wrong usage', async (words) => {
    await expect(sessions.run(words, io)).rejects.toMatchObject({ code: 'usage' });
  });
});

/** Asks for a token where running.json names this issuer. */
async function tokenFrom(issuer: string): Promise<number> {
  const dataDir = mkdtempSync(join(tmpdir(), 'sallyport-elsewhere-'));
  try {
    ensureOperatorToken(dataDir);
    writeRunning(dataDir, { pid: 1, api: 'http://127.0.0.1:1', issuer, postgres: { host: '127.0.0.1', port: 1 } });
    return await token.run(['--principal', 'agent-7', '--data', dataDir], io);
  } finally {
    rmSync(dataDir, { recursive: true });
  }
}
