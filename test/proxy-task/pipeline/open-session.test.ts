import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { buildBundle } from '../../../core/config/build-bundle.ts';
import type { Config } from '../../../core/config/config.ts';
import { readPublished } from '../../../core/config/published-bundle.ts';
import { connectAnswer, maskingAnswer, type ConnectAnswer, type MaskingAnswer } from '../../../core/policy/connect-answer.ts';
import { DecisionUnavailable } from '../../../core/policy/decision-unavailable.ts';
import type { Bundle } from '../../../core/policy/bundle.ts';
import type { Principal } from '../../../core/principal.ts';
import { findDatabase, type PostgresTarget } from '../../../core/target.ts';
import { admit, type Admission, type AdmissionPorts } from '../../../proxy-task/pipeline/open-session.ts';
import { SecondOpinion } from '../../../proxy-task/pipeline/second-opinion.ts';
import { awsBankFiles, withQuorum } from '../../support/aws-bank.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const FILES = awsBankFiles('https://issuer.bank.example');
const AGENT: Principal = {
  issuer: 'demo',
  agent: 'agent-7',
  owner: 'owen@bank.example',
  groups: ['demo/analysts'],
  expiresAtMs: 1_000_000,
};

let config: Config;
let bundle: Bundle;
let next: Bundle;
let clock: ManualClock;
let current: Bundle;
let connects: string[];
let answers: { connect: () => Promise<ConnectAnswer>; plan: () => Promise<MaskingAnswer> };
let opinion: SecondOpinion;
let problems: unknown[];

beforeAll(() => {
  config = read(FILES);
  bundle = buildBundle(config);
  next = buildBundle(read(withQuorum(FILES, 2)));
});
beforeEach(() => {
  clock = new ManualClock(1_000);
  current = bundle;
  connects = [];
  problems = [];
  answers = { connect: async () => connectAnswer(bundle, AGENT, 'bank'), plan: async () => maskingAnswer(bundle, AGENT, 'bank') };
  opinion = new SecondOpinion({
    policy: {
      connect: (shown) => {
        connects.push(shown.kind === 'token' ? shown.token : shown.kind);
        return answers.connect();
      },
    },
    masking: { plan: () => answers.plan() },
    clock,
    problem: (error) => problems.push(error),
  });
});

function read(files: Readonly<Record<string, string>>): Config {
  const reading = readPublished(files);
  if ('errors' in reading) throw new Error(JSON.stringify(reading.errors));
  return reading.config;
}

function ports(over: Partial<AdmissionPorts> = {}): AdmissionPorts {
  return {
    tokens: { verify: async () => AGENT },
    bundles: { current: () => current, onChange: () => ({ stop: () => {} }) },
    // Only `refusal` is asked while a session is admitted.
    control: { refusal: () => undefined } as unknown as AdmissionPorts['control'],
    clock,
    secondOpinion: opinion,
    ...over,
  };
}

function letIn(asked: AdmissionPorts, token: string): Promise<Admission<PostgresTarget>> {
  return admit(asked, { kind: 'token', token }, 'bank', (name) => findDatabase(config.targets, name));
}

const refusal = (admission: Admission<PostgresTarget>): string => (admission.kind === 'refused' ? admission.reason : 'admitted');

describe('a session that is about to open', () => {
  test('is admitted where both functions agree with the proxy', async () => {
    expect(await letIn(ports(), 't')).toMatchObject({
      kind: 'admitted',
      policies: ['connect'],
      bundle: { version: bundle.version },
    });
    expect(connects).toEqual(['t']);
  });

  test('is admitted by one process alone where there are no functions', async () => {
    const { secondOpinion: _, ...alone } = ports();
    expect((await letIn(alone, 't')).kind).toBe('admitted');
  });

  test('is not asked about where the proxy itself would not let it in', async () => {
    const stranger = { verify: async () => ({ ...AGENT, groups: [] }) };
    expect((await letIn(ports({ tokens: stranger }), 't')).kind).toBe('refused');
    expect(connects).toEqual([]);
  });

  const decided = (over: Partial<ConnectAnswer & { kind: 'decided' }>) => async (): Promise<ConnectAnswer> =>
    ({ ...connectAnswer(bundle, AGENT, 'bank'), ...over }) as ConnectAnswer; // One field of a whole answer is replaced.
  const planned = (over: Partial<MaskingAnswer & { kind: 'planned' }>) => async (): Promise<MaskingAnswer> =>
    ({ ...maskingAnswer(bundle, AGENT, 'bank'), ...over }) as MaskingAnswer; // As above.
  const disagreements: readonly (readonly [name: string, says: RegExp, change: () => Partial<typeof answers>])[] = [
    ['evaluate-policy blocks', /does not permit it: no/, () => ({ connect: decided({ decision: 'block', reason: 'no' }) })],
    ['evaluate-policy permits by other policies', /other policies/, () => ({ connect: decided({ policies: ['another'] }) })],
    ['evaluate-policy read another agent', /another principal/, () => ({ connect: decided({ principal: { ...AGENT, agent: 'x' } }) })],
    ['evaluate-policy read more groups', /another principal/, () => ({ connect: decided({ principal: { ...AGENT, groups: [] } }) })],
    ['evaluate-policy answers of another bundle', /another bundle/, () => ({ connect: decided({ version: next.version }) })],
    [
      'evaluate-policy does not accept the token',
      /token is not accepted/,
      () => ({ connect: async () => ({ kind: 'token-refused', reason: 'x' }) }),
    ],
    ['lookup-masking has another plan', /another masking plan/, () => ({ plan: planned({ digest: 'f'.repeat(64) }) })],
    ['lookup-masking answers of another target', /another masking plan/, () => ({ plan: planned({ target: 'other' }) })],
    ['lookup-masking read another person', /another principal/, () => ({ plan: planned({ principal: { ...AGENT, human: 'ann@x' } }) })],
    [
      'lookup-masking does not accept the token',
      /token is not accepted/,
      () => ({ plan: async () => ({ kind: 'token-refused', reason: 'x' }) }),
    ],
  ];
  test.each(disagreements)('is refused for good where %s', async (_, says, change) => {
    answers = { ...answers, ...change() };
    const admission = await letIn(ports(), 't');
    expect(refusal(admission)).toMatch(says);
    expect(admission).not.toHaveProperty('retry');
    // A token that is accepted here and not there has often just expired; everything else is for the operator.
    expect(problems).toEqual(says.source.includes('token') ? [] : [expect.objectContaining({ code: 'opinions-differ' })]);
  });

  test.each(['connect', 'plan'] as const)('is refused for now where %s gives no answer', async (which) => {
    answers = { ...answers, [which]: () => Promise.reject(new DecisionUnavailable(`${which} gives no answer`)) };
    expect(await letIn(ports(), 't')).toMatchObject({ kind: 'refused', retry: true, reason: `${which} gives no answer` });
    expect(problems).toMatchObject([{ code: 'decision-unavailable' }]);
  });

  test('is refused for now where a function fails in a way that nobody thought of', async () => {
    answers.connect = () => Promise.reject(new TypeError('x is not a function'));
    expect(await letIn(ports(), 't')).toMatchObject({ kind: 'refused', retry: true, reason: 'new sessions cannot be decided on' });
  });
});

describe('two versions in force at one moment', () => {
  const other: ConnectAnswer & MaskingAnswer = { kind: 'other-version', version: 'b-1111111111111111' };

  test('meet within seconds: the session opens under the later one', async () => {
    answers = {
      connect: async () => ({ kind: 'other-version', version: next.version }),
      plan: async () => ({ kind: 'other-version', version: next.version }),
    };
    const admission = letIn(ports(), 't');
    await turns();
    current = next;
    answers = { connect: async () => connectAnswer(next, AGENT, 'bank'), plan: async () => maskingAnswer(next, AGENT, 'bank') };
    clock.advance(500);
    expect(await admission).toMatchObject({ kind: 'admitted', bundle: { version: next.version } });
  });

  test('that do not meet refuse the session for now', async () => {
    answers = { connect: async () => other, plan: async () => other };
    const admission = letIn(ports(), 't');
    for (let waited = 0; waited <= 5_000; waited += 500) {
      await turns();
      clock.advance(500);
    }
    expect(await admission).toMatchObject({ kind: 'refused', retry: true, reason: expect.stringContaining('b-1111111111111111') });
  });

  test('do not let a token in that expired while they were waited for', async () => {
    answers = { connect: async () => other, plan: async () => other };
    const tokens = { verify: async () => ({ ...AGENT, expiresAtMs: 1_400 }) };
    const admission = letIn(ports({ tokens }), 't');
    await turns();
    clock.advance(500);
    expect(refusal(await admission)).toBe('the token has expired');
  });
});

describe('many sessions of one principal at once', () => {
  test('ask once', async () => {
    const admissions = await Promise.all(Array.from({ length: 50 }, (_, i) => letIn(ports(), `t${i}`)));
    expect(admissions.every(({ kind }) => kind === 'admitted')).toBe(true);
    expect(connects).toEqual(['t0']);
  });

  test('ask again after half a minute, or when the token would have ended', async () => {
    await letIn(ports(), 'a');
    clock.advance(29_999);
    await letIn(ports(), 'b');
    clock.advance(1);
    await letIn(ports(), 'c');
    expect(connects).toEqual(['a', 'c']);
  });

  test('ask again under another bundle', async () => {
    await letIn(ports(), 'a');
    current = next;
    answers = { connect: async () => connectAnswer(next, AGENT, 'bank'), plan: async () => maskingAnswer(next, AGENT, 'bank') };
    expect((await letIn(ports(), 'b')).kind).toBe('admitted');
    expect(connects).toEqual(['a', 'b']);
  });

  test('keep no refusal: the next one asks again', async () => {
    const good = answers.connect;
    answers.connect = () => Promise.reject(new DecisionUnavailable('throttled'));
    expect((await letIn(ports(), 'a')).kind).toBe('refused');
    answers.connect = good;
    expect((await letIn(ports(), 'b')).kind).toBe('admitted');
  });

  test('are not refused for another one’s token', async () => {
    answers.connect = async () =>
      connects.at(-1) === 'stolen' ? { kind: 'token-refused', reason: 'expired' } : connectAnswer(bundle, AGENT, 'bank');
    const [first, second] = await Promise.all([letIn(ports(), 'stolen'), letIn(ports(), 'good')]);
    expect(first.kind).toBe('refused');
    expect(second.kind).toBe('admitted');
  });
});

async function turns(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
