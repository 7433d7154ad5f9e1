// Clients that know the protocol of SSH better than is good: nothing of them runs unjudged, and nobody else is hurt.
import { afterEach, describe, expect, test } from 'vitest';
import type { Client, Connection, ServerChannel, SFTPWrapper } from 'ssh2';
import { startEmbeddedHost, type EmbeddedHost, type HostOptions } from '../support/embedded-host.ts';
import { collect, exec, recorded, run, startHostGateway, type HostGateway, type HostGatewayConfig } from '../support/host-gateway.ts';
import { MSG, request, sendRaw, serverRequest, sshText } from '../support/raw-ssh.ts';

const undo: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).toReversed()) await step();
});

async function start(config: HostGatewayConfig = {}, options: HostOptions = {}): Promise<{ host: EmbeddedHost; gateway: HostGateway }> {
  const host = await startEmbeddedHost(options);
  undo.push(() => host.stop());
  const gateway = await startHostGateway(host, config);
  undo.push(() => gateway.stop());
  return { host, gateway };
}

/** The gateway's next channel is this one: a client that asks by hand has to know. Resolves once it is there. */
async function openByHand(client: Client, channel: number, packetBytes = 32_768): Promise<void> {
  sendRaw(client, MSG.CHANNEL_OPEN, sshText('session'), 900 + channel, 2_097_152, packetBytes);
  // The gateway reads in order: when this has run, the channel is open.
  await run(client, 'echo there');
}

/** That all before it has been read. */
async function caughtUp(client: Client): Promise<void> {
  await run(client, 'echo there');
}

function openSftp(client: Client): Promise<SFTPWrapper> {
  return new Promise((resolve, reject) => {
    client.sftp((error, opened) => (error === undefined ? resolve(opened) : reject(error)));
  });
}

/** Further channels of this host take packets of no size. */
function takesNoPackets(connection: Connection): void {
  // As in raw-ssh.ts.
  const { _protocol: protocol } = connection as unknown as {
    readonly _protocol: { channelOpenConfirm(remote: number, local: number, window: number, packetBytes: number): void };
  };
  const confirm = protocol.channelOpenConfirm.bind(protocol);
  protocol.channelOpenConfirm = (remote, local, window) => confirm(remote, local, window, 0);
}

/** What a host says from the start of a program on in one turn leaves in one segment. */
function inOneSegment(connection: Connection): void {
  // As in raw-ssh.ts.
  const { _protocol: protocol, _sock: socket } = connection as unknown as {
    readonly _protocol: { channelSuccess(channel: number): void };
    readonly _sock: { cork(): void; uncork(): void };
  };
  const success = protocol.channelSuccess.bind(protocol);
  protocol.channelSuccess = (channel) => {
    socket.cork();
    success(channel);
    setImmediate(() => socket.uncork());
  };
}

/** As OpenSSH's server tells it, by whatever name. */
function exitBySignal(channel: ServerChannel, name: string): void {
  serverRequest(channel, 'exit-signal', sshText(name), Buffer.of(0), sshText(''), sshText(''));
  channel.end();
}

describe('a client that opens a channel', () => {
  test.each([0, 1, 1_023])('with packets of %i bytes gets none, and keeps nobody waiting', async (packetBytes) => {
    const { host, gateway } = await start();
    const client = await gateway.connect();
    await run(client, 'echo first');
    await openByHand(client, 1, packetBytes);
    request(client, 1, 'exec', false, sshText('echo hidden'));
    await caughtUp(client);
    const other = await run(await gateway.connect({ principal: 'agent-8' }), 'echo other');
    expect(other.stdout.toString()).toBe('other\n');
    expect(host.asked).not.toContain('echo hidden');
  });
});

test('a host that takes no packets is left, and keeps nobody waiting', async () => {
  const { host, gateway } = await start();
  const client = await gateway.connect();
  await run(client, 'echo first');
  for (const connection of host.connections) takesNoPackets(connection);
  expect((await run(client, 'cat', { input: 'more than nothing' })).stderr).toContain('08001 target "web1" closed the connection');
  const other = await run(await gateway.connect(), 'echo other');
  expect(other.stdout.toString()).toBe('other\n');
});

describe('a command that waits for people', () => {
  test('and whose client has sent input and closed the channel does not run, though somebody approves', async () => {
    const { host, gateway } = await start();
    const client = await gateway.connect({ groups: ['analysts'] });
    const channel = await exec(client, 'cat');
    const { id } = await gateway.pending();
    channel.write('input that nobody has read');
    channel.close();
    await expect.poll(() => gateway.answer(id, 'approve')).toBe(409);
    expect(host.asked).toEqual([]);
    expect((await gateway.events()).some(({ type }) => type === 'statement.sent')).toBe(false);
  });
});

describe('a file operation that waits for people', () => {
  test('is another one when its path leads elsewhere by the time they approve', async () => {
    const links: Record<string, string> = {};
    const { gateway } = await start({}, { links });
    const client = await gateway.connect({ groups: ['analysts'] });
    const sftp = await openSftp(client);
    const opened = new Promise((resolve) => sftp.open('/srv/app/new.txt', 'w', (error) => resolve(error?.message)));
    const { id } = await gateway.pending();
    const sent = async (): Promise<number> => (await gateway.events()).filter(({ type }) => type === 'statement.sent').length;
    const before = await sent();
    links['/srv/app/new.txt'] = '/etc/cron.d/new';
    await gateway.answer(id, 'approve');
    const { id: next } = await gateway.pending();
    expect(next).not.toBe(id);
    expect(await sent()).toBe(before);
    await gateway.answer(next, 'reject');
    expect(await opened).toContain('approval rejected');
    const judged = (await gateway.events()).find(({ type, text }) => type === 'statement.judged' && String(text).includes('write'));
    expect(judged?.['text']).toBe('sftp write "/srv/app/new.txt" or "/etc/cron.d/new"');
  });
});

describe('a name of a signal that the RFC does not list', () => {
  test('is passed on to the program, and ends nothing', async () => {
    const { gateway } = await start();
    const client = await gateway.connect();
    const channel = await exec(client, 'trap');
    const ran = collect(channel);
    await new Promise((resolve) => channel.once('data', resolve));
    request(client, 0, 'signal', false, sshText('BUS'));
    expect((await ran).stdout.toString()).toContain('got BUS');
  });

  test.each([
    ['SIG@openssh.com', 'SIGSIG@openssh.com', undefined],
    ['BUS', 'SIGBUS', undefined],
    ['not a name', undefined, 255],
  ])('%j reaches the client when the host ends a program by it', async (name, signal, status) => {
    const { gateway } = await start({}, { programs: { dies: ({ channel }) => exitBySignal(channel, name) } });
    const client = await gateway.connect();
    const ran = await run(client, 'dies');
    expect([ran.signal, ran.status ?? undefined]).toEqual([signal, status]);
    expect((await run(client, 'echo still there')).stdout.toString()).toBe('still there\n');
  });
});

test('a command takes no more input than its target lets a command say: all of it is kept', async () => {
  const taken: number[] = [];
  const programs: HostOptions['programs'] = {
    swallow: ({ channel }) => void channel.on('data', (chunk: Buffer) => taken.push(chunk.length)),
  };
  const { gateway } = await start({ target: '    limits: { maxBytes: 100000 }' }, { programs });
  const client = await gateway.connect();
  const ran = await run(client, 'swallow', { input: Buffer.alloc(1_000_000) });
  expect(ran.status).toBe(77);
  expect(ran.stderr).toContain('ZG011 the cap of 100000 bytes per command is hit');
  expect(taken.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThanOrEqual(100_000);
  expect(recorded(await gateway.scenes(), 'input').length).toBeLessThanOrEqual(100_000);
});

describe('when the token has expired, and what runs may go on for a while', () => {
  test('nothing that was held runs, though somebody approves', async () => {
    const { host, gateway } = await start({ expiryGraceMs: 60_000 });
    const client = await gateway.connect({ groups: ['analysts'], ttlSeconds: 8 });
    const ran = run(client, 'echo late');
    const { id } = await gateway.pending();
    // As the event is written.
    const expiresAt = (await gateway.events()).find(({ type }) => type === 'session.opened')?.['principal'] as { expiresAt: string };
    await expect.poll(() => Date.now() > Date.parse(expiresAt.expiresAt), { timeout: 20_000 }).toBe(true);
    await gateway.answer(id, 'approve');
    expect((await ran).stderr).toContain('the token or the session has expired');
    expect(host.asked).not.toContain('echo late');
  });

  test('no further operation of an open channel begins', async () => {
    const { gateway } = await start({ expiryGraceMs: 60_000 });
    const client = await gateway.connect({ ttlSeconds: 8 });
    const sftp = await openSftp(client);
    // As the event is written.
    const opened = (await gateway.events()).find(({ type }) => type === 'session.opened')?.['principal'] as { expiresAt: string };
    await expect.poll(() => Date.now() > Date.parse(opened.expiresAt), { timeout: 20_000 }).toBe(true);
    const answer = await new Promise((resolve) => sftp.mkdir('/srv/app/late', (error) => resolve(error?.message)));
    expect(answer).toContain('the token or the session has expired');
  });
});

test('variables that reach the host are on record before the command', async () => {
  const { gateway } = await start();
  await run(await gateway.connect(), 'env', { env: { LC_ALL: 'C.UTF-8', TZ: '/etc/shadow' } });
  const events = await gateway.events();
  const settings = events.filter(({ type }) => type === 'setting').map(({ name, value }) => [name, value]);
  expect(settings).toEqual([
    ['channel.1.env.LC_ALL', 'C.UTF-8'],
    ['channel.1.env.TZ', '/etc/shadow'],
  ]);
  const place = (wanted: string): number => events.findIndex(({ type }) => type === wanted);
  expect(place('setting')).toBeLessThan(place('statement.sent'));
});

test('a transfer whose folder leads elsewhere after half of it was decided does not begin', async () => {
  const links: Record<string, string> = {};
  const policies = `
@id("connect") permit (principal, action == Action::"connect", resource);
@id("app") permit (principal, action in [Action::"read", Action::"write"], resource in File::"web1:/srv/app");
@id("ask") @approvers("dba") @quorum("1") @hold("20s") @expires("1h") @grant("5m") @reason("A second person decides")
permit (principal, action in Action::"remove", resource) when { context has approval };
`;
  const { host, gateway } = await start({ policies }, { links });
  const client = await gateway.connect();
  const ran = run(client, 'rsync --server -re.LsfxCIvu --delete . /srv/app/site');
  const { id } = await gateway.pending();
  links['/srv/app'] = '/etc';
  await gateway.answer(id, 'approve');
  // The removal is another one now, and is asked for anew.
  const { id: next } = await gateway.pending();
  await gateway.answer(next, 'approve');
  expect((await ran).stderr).toContain('what its paths lead to has changed');
  expect(host.asked.filter((asked) => asked.includes('rsync'))).toEqual([]);
});

test('the exit status of a program that ends in the segment that says that it began is told, and on record', async () => {
  const { host, gateway } = await start();
  const client = await gateway.connect();
  await run(client, 'echo first');
  for (const connection of host.connections) inOneSegment(connection);
  const ran = await run(client, 'exit 3');
  expect(ran.status).toBe(3);
  await expect.poll(async () => (await gateway.events()).filter(({ type }) => type === 'channel.closed').length).toBe(2);
  expect((await gateway.events()).filter(({ type }) => type === 'channel.closed').at(-1)).toMatchObject({ exitStatus: 3 });
});
