import { beforeEach, describe, expect, test } from 'vitest';
import { CredentialUnavailable } from '../../../core/credential/credential-unavailable.ts';
import { StateUnavailable } from '../../../proxy-task/ports.ts';
import { PlainGateway, PlainPorts } from '../../support/plain-protocol.ts';

let plain: PlainPorts;
let gateway: PlainGateway;

beforeEach(() => {
  plain = new PlainPorts();
  gateway = new PlainGateway(plain);
});

const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** A login that goes on when it is told to. */
function slowLogin(): { readonly logIn: () => Promise<ReturnType<PlainGateway['login']>>; readonly begun: Promise<void>; go(): void } {
  let go = (): void => undefined;
  const until = new Promise<void>((resolve) => {
    go = resolve;
  });
  let begin = (): void => undefined;
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const logIn = async (): Promise<ReturnType<PlainGateway['login']>> => {
    begin();
    await until;
    return gateway.login();
  };
  return { logIn, begun, go };
}

describe('a client that is let in', () => {
  test('has a session whose opening is on record before it starts', async () => {
    expect(await gateway.enter()).toBeUndefined();
    expect(gateway.sessions).toBe(1);
    expect(plain.events).toMatchObject([
      { type: 'session.opened', protocol: 'postgres', target: 'db', label: 'agent', source: '10.0.0.1', policies: ['p1'] },
      { type: 'credential.issued', credential: 'test', role: 'app' },
    ]);
  });

  test('and goes away meanwhile leaves no session behind', async () => {
    const login = slowLogin();
    let leave = (): void => undefined;
    const entering = gateway.enter({
      logIn: login.logIn,
      onGone: (gone) => {
        leave = gone;
        return { stop: () => undefined };
      },
    });
    await login.begun;
    leave();
    login.go();
    await entering;
    await gateway.ended();
    expect(gateway.sessions).toBe(0);
    expect(plain.events.at(-1)).toMatchObject({ type: 'session.closed', reason: 'the client went away' });
  });

  test('is waited for by whoever waits for the end, and ends with what ended all', async () => {
    const login = slowLogin();
    const entering = gateway.enter({ logIn: login.logIn });
    await login.begun;
    gateway.end('a fault');
    let hasEnded = false;
    const ended = gateway.ended().then(() => {
      hasEnded = true;
    });
    await settled();
    expect(hasEnded).toBe(false);
    login.go();
    await entering;
    await ended;
    expect(gateway.opened[0]?.left?.reason).toBe('a fault');
    expect(plain.closed).toBe(1);
  });

  test('while nothing can be recorded any more runs nothing', async () => {
    const login = slowLogin();
    const entering = gateway.enter({ logIn: login.logIn });
    await login.begun;
    gateway.endUnrecorded('no room');
    login.go();
    await entering;
    expect(gateway.opened[0]?.told?.refusal?.code).toBe('ZG030');
  });

  test('is drained with the others', async () => {
    const login = slowLogin();
    const entering = gateway.enter({ logIn: login.logIn });
    await login.begun;
    gateway.drain();
    login.go();
    await entering;
    expect(gateway.opened[0]?.left?.reason).toBe('drained');
  });
});

describe('nobody is let in', () => {
  test('by a gateway that drains, has ended, or cannot read its state', async () => {
    plain.view = 'stale';
    expect((await gateway.enter())?.message).toContain('cannot read its state');
    plain.view = 'current';
    gateway.drain();
    expect((await gateway.enter())?.message).toContain('shutting down');
    const other = new PlainGateway(plain);
    other.end('a fault');
    expect((await other.enter())?.message).toContain('shutting down');
    expect(plain.events).toEqual([]);
  });

  test('whom policy does not, and that is on record', async () => {
    plain.permits = false;
    expect((await gateway.enter())?.code).toBe('28000');
    expect(plain.refusals).toMatchObject([{ type: 'session.refused', target: 'db', reason: 'no rule', principal: 'corp/agent-7' }]);
  });

  test('and of whoever comes again and again the first are on record, then their number', async () => {
    plain.permits = false;
    for (let times = 0; times < 40; times += 1) await gateway.enter();
    expect(plain.refusals).toHaveLength(32);
    gateway.drain();
    expect(plain.refusals).toHaveLength(33);
    expect(plain.refusals.at(-1)).toMatchObject({ source: '10.0.0.1', reason: '8 more connections were refused within a minute' });
  });

  test('who asks for what the protocol has not, on record where it says so', async () => {
    const refusal = { code: '22023', message: 'no such option' };
    expect(await gateway.enter({ logIn: async () => ({ kind: 'refused', refusal }) })).toBe(refusal);
    expect(plain.refusals).toEqual([]);
    await gateway.enter({ logIn: async () => ({ kind: 'refused', refusal, reason: 'no such account' }) });
    expect(plain.refusals).toMatchObject([{ reason: 'no such account', principal: 'corp/agent-7' }]);
  });

  test.each([
    [new StateUnavailable('no answer'), '57P01'],
    [new CredentialUnavailable('no answer', { retry: true }), '57P01'],
    [new CredentialUnavailable('no such secret', { retry: false }), '08001'],
    [new Error('a bug'), '08001'],
  ])('where logging in fails with %s', async (error, code) => {
    const logIn = async (): Promise<never> => {
      throw error;
    };
    const refused = await gateway.enter({ logIn });
    expect(refused?.code).toBe(code);
    expect(plain.errors).toEqual([error]);
  });

  test('where the opening cannot be recorded: what was logged in is given up', async () => {
    plain.recorderFails = true;
    let abandoned = 0;
    const refused = await gateway.enter({ logIn: async () => ({ ...gateway.login(), abandon: () => (abandoned += 1) }) });
    expect(refused?.code).toBe('ZG030');
    expect(abandoned).toBe(1);
    expect(gateway.opened).toEqual([]);
  });

  test('to a session that cannot be started', async () => {
    const login = gateway.login();
    await gateway.enter({
      logIn: async () => ({
        ...login,
        makeSession: (options) =>
          Object.assign(login.makeSession(options), {
            start: () => {
              throw new Error('a bug');
            },
          }),
      }),
    });
    await gateway.ended();
    expect(gateway.opened[0]?.told?.refusal?.code).toBe('57P01');
    expect(plain.errors).toHaveLength(1);
  });
});

test('a session is renewed by its own principal only', async () => {
  plain.principal = { ...plain.principal, human: 'corp/ada' };
  await gateway.enter();
  const [session] = gateway.opened;
  const id = session?.id ?? '';
  const fresh = { ...plain.principal, expiresAtMs: 90_000 };
  expect(gateway.renew('s_other', fresh)).toBe(false);
  expect(gateway.renew(id, { ...fresh, agent: 'agent-8' })).toBe(false);
  expect(gateway.renew(id, { ...fresh, human: 'corp/bob' })).toBe(false);
  expect(gateway.renew(id, fresh)).toBe(true);
  for (let seconds = 0; seconds < 60; seconds += 10) {
    session?.touch();
    plain.clock.advance(10_000);
  }
  expect(session?.left).toBeUndefined();
});

test('every session is looked at each second, for as long as there is one', async () => {
  await gateway.enter();
  plain.clock.advance(3_000);
  expect(gateway.opened[0]?.current).toBe(3);
  gateway.opened[0]?.end(undefined, 'over', false);
  await gateway.ended();
  await gateway.enter();
  plain.clock.advance(2_000);
  expect(gateway.opened[1]?.current).toBe(2);
});
