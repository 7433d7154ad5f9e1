// How sessions on hosts begin and end: who is let in, what is refused, and that nothing is left running or untold.
import { createHash } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import type { Recorder, SessionRecorder } from '../../core/evidence/recorder.ts';
import { RecorderUnavailable } from '../../core/evidence/recorder.ts';
import { readOperatorToken } from '../../standalone/operator-token.ts';
import { startEmbeddedHost, type EmbeddedHost, type HostOptions } from '../support/embedded-host.ts';
import {
  collect,
  exec,
  recorded,
  run,
  startHostGateway,
  type HostGateway,
  type HostGatewayConfig,
  type Ran,
} from '../support/host-gateway.ts';

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

async function closing(gateway: HostGateway): Promise<Record<string, unknown>> {
  await expect.poll(async () => (await gateway.events()).at(-1)?.['type']).toBe('session.closed');
  return (await gateway.events()).at(-1) ?? {};
}

describe('a client that is not let in', () => {
  test.each([
    ['to a target that does not exist', { user: 'nowhere' }],
    ['as an account that the target does not have', { user: 'root+web1' }],
  ])('%s reads one wording, and never reaches the host', async (_, options) => {
    const { host, gateway } = await start();
    const client = await gateway.connect(options);
    const ran = await run(client, 'echo hello');
    expect(ran.status).toBe(77);
    expect(ran.stderr).toContain('28000 the login was not accepted, or it may not use this target');
    expect(host.logins).toEqual([]);
  });

  test('reads that the host cannot be reached, and the operator why', async () => {
    const { gateway } = await start({ port: 1 });
    const ran = await run(await gateway.connect(), 'echo hello');
    expect(ran.stderr).toContain('08001 target "web1" cannot be reached');
    expect(gateway.log.join('\n')).toContain('HostUnavailable: target "web1" cannot be reached');
  });

  test('gets no connection to a host that shows another key', async () => {
    const { host, gateway } = await start({ hostKeys: [`SHA256:${'A'.repeat(43)}`] });
    const ran = await run(await gateway.connect(), 'echo hello');
    expect(ran.status).toBe(77);
    expect(ran.stderr).toContain('the gateway cannot log in to target "web1"');
    expect(gateway.log.join('\n')).toContain('which is not pinned');
    expect(host.logins).toEqual([]);
  });

  test('learns nothing of a credential that the host refuses', async () => {
    const { gateway } = await start({}, { accepts: () => false });
    const ran = await run(await gateway.connect(), 'echo hello');
    expect(ran.stderr).toContain('the gateway cannot log in to target "web1"');
    expect(gateway.log.join('\n')).toContain('does not take the credential');
  });
});

describe('a session', () => {
  test('logs in with a certificate of the own authority, and says for whom', async () => {
    const { host, gateway } = await start({ credential: 'sshCa' }, { accepts: ({ username }) => username === 'deploy' });
    const ran = await run(await gateway.connect({ user: 'deploy+web1' }), 'echo hello');
    expect(ran.stdout.toString()).toBe('hello\n');
    expect(host.logins).toMatchObject([{ user: 'deploy', algorithm: 'ssh-ed25519-cert-v01@openssh.com' }]);
    expect(host.logins[0]?.blob.toString('latin1')).toContain('sallyport agent=demo/agent-7 session=s_');
    expect((await gateway.events())[1]).toMatchObject({ type: 'credential.issued', role: 'deploy' });
  });

  test('ends with its host: each channel says so, and the record that it is not known what became of it', async () => {
    const { host, gateway } = await start();
    const client = await gateway.connect();
    const channel = await exec(client, 'wait');
    const over = collect(channel);
    await new Promise((resolve) => channel.once('data', resolve));
    for (const connection of host.connections) connection.end();
    const ran = await over;
    expect(ran.status).toBe(77);
    expect(ran.stderr).toContain('target "web1" closed the connection');
    expect(ran.stderr).toContain('"executed":"unknown"');
    expect(await closing(gateway)).toMatchObject({ abnormal: true, code: '08001' });
    expect((await gateway.events()).find(({ type }) => type === 'statement.completed')).toMatchObject({ outcome: 'unknown' });
  });

  test('ends when an operator says so', async () => {
    const { gateway } = await start();
    const client = await gateway.connect();
    const channel = await exec(client, 'wait');
    const over = collect(channel);
    await new Promise((resolve) => channel.once('data', resolve));
    const operator = { authorization: `Bearer ${readOperatorToken(gateway.dataDir) ?? ''}`, 'content-type': 'application/json' };
    const session = (await gateway.events())[0]?.['session'];
    await fetch(`${gateway.machine.api}/v1/sessions/${String(session)}/end`, {
      method: 'POST',
      headers: operator,
      body: JSON.stringify({ reason: 'enough' }),
    });
    const ran = await over;
    expect(ran.status).toBe(77);
    expect(ran.stderr).toMatch(/ZG020 the session was ended by .*: enough/);
    expect(await closing(gateway)).toMatchObject({ code: 'ZG020' });
  });

  test('ends with its client: what ran is cut off on the host', async () => {
    const { host, gateway } = await start();
    const client = await gateway.connect();
    const channel = await exec(client, 'wait');
    await new Promise((resolve) => channel.once('data', resolve));
    client.end();
    expect(await closing(gateway)).toMatchObject({ reason: 'the client went away', abnormal: true });
    await expect.poll(() => host.connections.size).toBe(0);
  });

  test('ends after its token, and a grace', async () => {
    const { gateway } = await start({ expiryGraceMs: 500 });
    const client = await gateway.connect({ ttlSeconds: 2 });
    const ran = await run(client, 'wait');
    expect(ran.status).toBe(77);
    expect(ran.stderr).toContain('57P01 the session ends: the token or the session has expired');
  });

  test('has no more channels than its target allows', async () => {
    const { gateway } = await start({ target: '    limits: { maxChannels: 3 }' });
    const client = await gateway.connect();
    const open = await Promise.all([1, 2, 3].map(() => exec(client, 'wait')));
    await expect(exec(client, 'echo more')).rejects.toThrow(/open failure/);
    open[0]?.close();
    await expect
      .poll(async () =>
        run(client, 'echo more').then(
          ({ stdout }) => stdout.toString(),
          () => '',
        ),
      )
      .toBe('more\n');
  });

  test('in which nothing can be recorded lets nothing out, and nothing in', async () => {
    let full = false;
    const { host, gateway } = await start({ beforeRecorder: (recorder) => failing(recorder, () => full) });
    const client = await gateway.connect();
    expect((await run(client, 'echo before')).stdout.toString()).toBe('before\n');
    full = true;
    const ran = await run(client, 'echo after').catch(() => undefined);
    expect(ran?.stdout.toString() ?? '').toBe('');
    expect(ran?.stderr ?? 'ZG030').toContain('ZG030');
    expect(host.asked).not.toContain('echo after');
    await expect.poll(() => host.connections.size).toBe(0);
  });
});

describe('a channel', () => {
  test('with a shell is open to whom policy lets', async () => {
    const { gateway } = await start();
    const client = await gateway.connect();
    const ran = await new Promise<Ran>((resolve, reject) => {
      client.shell({ cols: 90, rows: 20, term: 'xterm' }, (error, channel) => {
        if (error !== undefined) {
          reject(error);
          return;
        }
        resolve(collect(channel));
        channel.end('typed\n');
      });
    });
    expect(ran.stdout.toString()).toBe('typed\n');
    client.end();
    await closing(gateway);
    const scenes = await gateway.scenes();
    expect(recorded(scenes, 'input').toString()).toBe('typed\n');
    expect(recorded(scenes, 'stdout').toString()).toBe('typed\n');
    expect(await gateway.events()).toContainEqual(
      expect.objectContaining({ type: 'channel.opened', kind: 'shell', columns: 90, rows: 20, term: 'xterm' }),
    );
  });

  test('to another place is judged by where it goes, and hashed', async () => {
    const { host, gateway } = await start({}, { onForward: (channel) => void channel.pipe(channel) });
    const forward = (groups: readonly string[]) =>
      gateway.connect({ groups }).then(
        (client) =>
          new Promise<string>((resolve) => {
            client.forwardOut('127.0.0.1', 1, 'db.internal', 5432, (error, channel) => {
              if (error !== undefined) {
                resolve('refused');
                return;
              }
              let said = '';
              channel.on('data', (chunk: Buffer) => (said += chunk.toString()));
              channel.on('close', () => resolve(said));
              channel.end('ping');
            });
          }),
      );
    expect(await forward(['guests'])).toBe('refused');
    expect(host.asked).toEqual([]);
    expect(await forward(['all'])).toBe('ping');
    expect(host.asked).toEqual(['forward db.internal:5432']);
    await expect
      .poll(async () => (await gateway.events()).find(({ type }) => type === 'channel.operation'))
      .toMatchObject({
        text: 'forward to db.internal:5432',
        detail: expect.stringContaining(`sent 4 bytes, sha256 ${createHash('sha256').update('ping').digest('hex')}; received 4 bytes`),
      });
  });

  test('of a kind that is never offered is refused and on record', async () => {
    const { host, gateway } = await start();
    // Clients of ssh2 ask others than OpenSSH's servers for its extensions only so.
    const client = await gateway.connect({ more: { strictVendor: false } });
    await expect(
      new Promise((_, reject) => client.openssh_forwardOutStreamLocal('/run/docker.sock', (error) => reject(error))),
    ).rejects.toThrow();
    await expect(new Promise((_, reject) => client.forwardIn('127.0.0.1', 0, (error) => reject(error)))).rejects.toThrow(/Unable to bind/);
    await expect(exec(client, 'echo x', { x11: true })).rejects.toThrow();
    client.end();
    await closing(gateway);
    const messages = (await gateway.events()).filter(({ type }) => type === 'error').map(({ message }) => message);
    expect(messages).toEqual(['direct-streamlocal@openssh.com is not offered', 'tcpip-forward is not offered', 'x11-req is not offered']);
    expect(host.asked).toEqual([]);
  });

  test('of a reader that does not read fills no memory', async () => {
    const { host, gateway } = await start();
    const client = await gateway.connect();
    const channel = await exec(client, `big ${256 * 1024 * 1024}`);
    channel.pause();
    const before = process.memoryUsage().rss;
    await expect.poll(() => host.asked.length).toBe(1);
    await settled(() => process.memoryUsage().rss);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024);
    channel.close();
  }, 30_000);

  test('is redacted by the detectors of its target, across packets', async () => {
    const { gateway } = await start(
      { masking: 'columns: []\npatterns:\n  - { target: web1, detectors: [us-ssn, email] }\n' },
      {
        programs: {
          leak: ({ channel, exit }) => {
            channel.write('mail dana@ba', () => channel.write('nk.example now\n', () => exit(0)));
          },
        },
      },
    );
    const client = await gateway.connect();
    const ran = await run(client, 'leak');
    expect(ran.stdout.toString()).not.toContain('dana@bank.example');
    expect(ran.stdout.toString()).toMatch(/^mail .+ now\n$/);
    client.end();
    await closing(gateway);
    expect(recorded(await gateway.scenes(), 'stdout').equals(ran.stdout)).toBe(true);
  });

  test('that says more than its target lets a command say is cut', async () => {
    const { gateway } = await start({ target: '    limits: { maxBytes: 100000 }' });
    const ran = await run(await gateway.connect(), 'big 1000000');
    expect(ran.status).toBe(77);
    expect(ran.stdout.length).toBeLessThanOrEqual(100_000);
    expect(ran.stderr).toContain('ZG011 the cap of 100000 bytes per command is hit');
  });
});

/** Resolves when the value has stopped growing. */
async function settled(read: () => number): Promise<void> {
  let last = -1;
  await expect
    .poll(
      () => {
        const now = read();
        const isStill = now - last < 1_000_000;
        last = now;
        return isStill;
      },
      { interval: 300, timeout: 20_000 },
    )
    .toBe(true);
}

function failing(recorder: Recorder, isFull: () => boolean): Recorder {
  return {
    open: (id, rows) => {
      const inner = recorder.open(id, rows);
      const guarded: SessionRecorder = {
        append: (event) => inner.append(event),
        appendContent: (source, start, end) => inner.appendContent(source, start, end),
        flush: (durability, done) => (isFull() ? done(new RecorderUnavailable('the disk is full')) : inner.flush(durability, done)),
        close: (event) => inner.close(event),
      };
      return guarded;
    },
    recordRefusal: (event) => recorder.recordRefusal(event),
  };
}
