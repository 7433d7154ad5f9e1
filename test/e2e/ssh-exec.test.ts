// Commands through the gateway to a host: what runs, what comes back, what is on record.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startEmbeddedHost, type EmbeddedHost } from '../support/embedded-host.ts';
import { collect, exec, recorded, run, startHostGateway, type HostGateway } from '../support/host-gateway.ts';

let host: EmbeddedHost;
let gateway: HostGateway;
beforeAll(async () => {
  host = await startEmbeddedHost();
  gateway = await startHostGateway(host, { target: '    limits: { maxStatementBytes: 20000, maxChannels: 60 }' });
}, 60_000);
afterAll(async () => {
  await gateway.stop();
  await host.stop();
});

describe('a command that policy permits', () => {
  test('runs, and its output, exit status and recording are the same', async () => {
    const client = await gateway.connect();
    const ran = await run(client, 'echo hello world');
    expect(ran).toMatchObject({ stderr: '', status: 0 });
    expect(ran.stdout.toString()).toBe('hello world\n');
    expect(host.asked.at(-1)).toBe('echo hello world');
    client.end();
    await expect.poll(async () => (await gateway.events()).map(({ type }) => type)).toContain('session.closed');
    const scenes = await gateway.scenes();
    expect(recorded(scenes, 'stdout').toString()).toBe('hello world\n');
    expect((await gateway.events()).map(({ type }) => type)).toEqual([
      'session.opened',
      'credential.issued',
      'channel.opened',
      'statement.judged',
      'statement.sent',
      'channel.data',
      'statement.completed',
      'channel.closed',
      'session.closed',
    ]);
  });

  test('reads what the client sends, to its end', async () => {
    const client = await gateway.connect();
    const input = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 256));
    const ran = await run(client, 'cat', { input });
    expect(ran.stdout.equals(input)).toBe(true);
    expect(ran.status).toBe(0);
  });

  test.each([0, 1, 77, 255])('ends with its own exit status %i', async (status) => {
    const client = await gateway.connect();
    expect((await run(client, `exit ${status}`)).status).toBe(status);
  });

  test('that dies of a signal says so', async () => {
    const client = await gateway.connect();
    expect(await run(client, 'die SEGV')).toMatchObject({ status: null, signal: 'SIGSEGV' });
  });

  test('keeps standard error apart', async () => {
    const client = await gateway.connect();
    expect(await run(client, 'warn mind the gap')).toMatchObject({ stdout: Buffer.alloc(0), stderr: 'mind the gap\n', status: 1 });
  });

  test('gets signals and sizes of the window', async () => {
    const client = await gateway.connect();
    const trap = await exec(client, 'trap');
    const over = collect(trap);
    await new Promise((resolve) => trap.once('data', resolve));
    trap.signal('USR1');
    expect((await over).stdout.toString()).toContain('got USR1');
    const size = await exec(client, 'size', { pty: { cols: 100, rows: 30, term: 'xterm' } });
    const sized = collect(size);
    await new Promise((resolve) => size.once('data', resolve));
    size.setWindow(50, 120, 0, 0);
    const shown = (await sized).stdout.toString();
    expect(shown).toContain('"cols":100');
    expect(shown).toContain('120x50');
  });

  test('gets the variables that the target takes, and no other', async () => {
    const client = await gateway.connect();
    const ran = await run(client, 'env', { env: { LANG: 'C.UTF-8', LD_PRELOAD: '/tmp/x.so', SALLYPORT_REASON: 'why not' } });
    expect(JSON.parse(ran.stdout.toString())).toEqual({ LANG: 'C.UTF-8' });
  });

  test('runs beside forty-nine others on one connection to the host', async () => {
    const client = await gateway.connect();
    const before = host.connections.size;
    const all = await Promise.all(Array.from({ length: 50 }, (_, i) => run(client, `echo ${i}`)));
    expect(all.map(({ stdout }) => stdout.toString())).toEqual(Array.from({ length: 50 }, (_, i) => `${i}\n`));
    expect(host.connections.size).toBeLessThanOrEqual(before + 1);
  });
});

describe('a command that policy does not permit', () => {
  test('never reaches the host; the client reads why, and status 77', async () => {
    const client = await gateway.connect({ groups: ['guests'] });
    const asked = host.asked.length;
    const ran = await run(client, 'echo no');
    expect(ran.status).toBe(77);
    expect(ran.stderr).toMatch(/^sallyport: ZG010 blocked by policy: .*Not for guests/);
    expect(host.asked.length).toBe(asked);
  });

  test.each([
    ['a NUL', 'echo a\0b', 'NUL'],
    ['a byte that is not UTF-8', 'echo \uFFFD', 'not UTF-8'],
    ['more than the target takes', `echo ${'x'.repeat(30_000)}`, 'longer than 20000 bytes'],
  ])('with %s is refused unread', async (_, command, reason) => {
    const client = await gateway.connect();
    const asked = host.asked.length;
    const ran = await run(client, command);
    expect(ran.status).toBe(77);
    expect(ran.stderr).toContain('ZG014');
    expect(ran.stderr).toContain(reason);
    expect(host.asked.length).toBe(asked);
  });

  test('of 1 MB is no packet of SSH: the connection ends', async () => {
    const client = await gateway.connect();
    const asked = host.asked.length;
    await expect(run(client, `echo ${'x'.repeat(1_000_000)}`)).rejects.toThrow();
    expect(host.asked.length).toBe(asked);
  });
});

describe('a command that people decide about', () => {
  test('waits, says so on standard error, and runs exactly once when it is approved', async () => {
    const client = await gateway.connect({ groups: ['analysts'] });
    const command = 'echo approve me';
    const running = run(client, command);
    const { id } = await gateway.pending();
    expect(host.asked).not.toContain(command);
    expect(await gateway.answer(id, 'approve')).toBe(200);
    const ran = await running;
    expect(ran.stderr).toContain(`sallyport: waits for approval ${id}`);
    expect(ran.stderr).toContain(`/approvals/${id}`);
    expect(ran.stdout.toString()).toBe('approve me\n');
    expect(ran.status).toBe(0);
    expect(host.asked.filter((asked) => asked === command)).toHaveLength(1);
  });

  test('ends with 77 and the reason when it is rejected', async () => {
    const client = await gateway.connect({ groups: ['analysts'] });
    const running = run(client, 'echo reject me');
    const { id } = await gateway.pending();
    await gateway.answer(id, 'reject', 'dana@bank.example', 'not on a Friday');
    const ran = await running;
    expect(ran.status).toBe(77);
    expect(ran.stderr).toContain('ZG003 approval rejected: not on a Friday');
    expect(host.asked).not.toContain('echo reject me');
  });

  test('fails fast where the client asks for it, and runs when it comes again approved', async () => {
    const client = await gateway.connect({ groups: ['analysts'] });
    const env = { SALLYPORT_APPROVAL: 'failfast', SALLYPORT_REASON: 'ticket 7' };
    const ran = await run(client, 'echo later', { env });
    expect(ran.status).toBe(77);
    expect(ran.stderr).toContain('ZG001 approval required');
    const { id } = await gateway.pending();
    await gateway.answer(id, 'approve');
    await expect.poll(async () => (await run(client, 'echo later', { env })).stdout.toString()).toBe('later\n');
  });

  test('is taken back with its channel', async () => {
    const client = await gateway.connect({ groups: ['analysts'] });
    const channel = await exec(client, 'echo too late');
    const { id } = await gateway.pending();
    channel.close();
    await expect.poll(() => gateway.answer(id, 'approve')).toBe(409);
    expect(host.asked).not.toContain('echo too late');
  });
});
