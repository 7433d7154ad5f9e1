import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { approvalDigest, type BoundStatement } from '../../../core/approval/digest.ts';

const KEY = Buffer.alloc(32, 7);
const BOUND: BoundStatement = {
  principal: { issuer: 'demo', agent: 'agent-7', human: 'alice@bank.example' },
  target: 'bank',
  database: 'bank',
  statement: Buffer.from('execute p(1)'),
  executes: Buffer.from('delete from t where id = $1'),
  parameters: [{ type: 23, format: 0, value: Buffer.from('1') }],
  settings: [['TimeZone', 'UTC']],
  role: 'app',
  searchPath: ['public', 'pg_catalog'],
  reached: [{ oid: 16_400, definitionHash: 'aa' }],
};
const DIGEST = approvalDigest(KEY, BOUND);

const { executes: _executes, ...withoutExecutes } = BOUND;

const changes: readonly (readonly [string, BoundStatement])[] = [
  ['the issuer', { ...BOUND, principal: { ...BOUND.principal, issuer: 'corp' } }],
  ['the agent', { ...BOUND, principal: { ...BOUND.principal, agent: 'agent-8' } }],
  ['the human', { ...BOUND, principal: { issuer: 'demo', agent: 'agent-7' } }],
  ['the target', { ...BOUND, target: 'bank2' }],
  ['the database', { ...BOUND, database: 'bank2' }],
  ['one byte of the statement', { ...BOUND, statement: Buffer.from('execute p(2)') }],
  ['a blank at the end of the statement', { ...BOUND, statement: Buffer.from('execute p(1) ') }],
  ['the executed text', { ...BOUND, executes: Buffer.from('delete from t where id <> $1') }],
  ['the absence of an executed text', withoutExecutes],
  ['an empty executed text', { ...BOUND, executes: Buffer.alloc(0) }],
  ['a parameter type', { ...BOUND, parameters: [{ type: 20, format: 0, value: Buffer.from('1') }] }],
  ['a parameter format', { ...BOUND, parameters: [{ type: 23, format: 1, value: Buffer.from('1') }] }],
  ['a parameter value', { ...BOUND, parameters: [{ type: 23, format: 0, value: Buffer.from('2') }] }],
  ['a NULL parameter', { ...BOUND, parameters: [{ type: 23, format: 0, value: null }] }],
  ['an empty parameter', { ...BOUND, parameters: [{ type: 23, format: 0, value: Buffer.alloc(0) }] }],
  ['one more parameter', { ...BOUND, parameters: [...BOUND.parameters, { type: 23, format: 0, value: null }] }],
  ['a setting', { ...BOUND, settings: [['TimeZone', 'CET']] }],
  ['one more setting', { ...BOUND, settings: [...BOUND.settings, ['row_security', 'off']] }],
  ['the role', { ...BOUND, role: 'admin' }],
  ['the order of the search path', { ...BOUND, searchPath: ['pg_catalog', 'public'] }],
  ['an object', { ...BOUND, reached: [{ oid: 16_401, definitionHash: 'aa' }] }],
  ['a definition', { ...BOUND, reached: [{ oid: 16_400, definitionHash: 'ab' }] }],
];

describe('approvalDigest', () => {
  test.each(changes)('another digest comes of changing %s', (_, changed) => {
    expect(approvalDigest(KEY, changed)).not.toBe(DIGEST);
  });

  test('no two of the changes share a digest', () => {
    expect(new Set(changes.map(([, changed]) => approvalDigest(KEY, changed))).size).toBe(changes.length);
  });

  test('another key gives another digest', () => {
    expect(approvalDigest(Buffer.alloc(32, 8), BOUND)).not.toBe(DIGEST);
  });

  test('a short key is a bug', () => {
    expect(() => approvalDigest(Buffer.alloc(31), BOUND)).toThrow('32 bytes');
  });

  test('the order of settings and of reached objects does not matter', () => {
    const settings = [
      ['a', '1'],
      ['b', '2'],
    ] as const;
    const reached = [
      { oid: 2, definitionHash: 'x' },
      { oid: 1, definitionHash: 'y' },
    ];
    expect(approvalDigest(KEY, { ...BOUND, settings, reached })).toBe(
      approvalDigest(KEY, { ...BOUND, settings: settings.toReversed(), reached: reached.toReversed() }),
    );
  });

  const text = fc.oneof(fc.string({ maxLength: 6 }), fc.constantFrom('', 'a', 'ab', '\u0000', '\ud800', '\udfff', '\ufffd'));
  const bytes = fc.uint8Array({ maxLength: 4 });
  const bound: fc.Arbitrary<BoundStatement> = fc.record({
    principal: fc.oneof(fc.record({ issuer: text, agent: text, human: text }), fc.record({ issuer: text, agent: text })),
    target: text,
    database: text,
    statement: bytes,
    executes: bytes,
    parameters: fc.array(fc.record({ type: fc.nat(3), format: fc.nat(1), value: fc.option(bytes, { nil: null }) }), { maxLength: 2 }),
    settings: fc.array(fc.tuple(text, text), { maxLength: 2 }),
    role: text,
    searchPath: fc.array(text, { maxLength: 2 }),
    reached: fc.array(fc.record({ oid: fc.nat(3), definitionHash: text }), { maxLength: 2 }),
  });

  test('two statements have the same digest exactly when all that is bound is equal', () => {
    fc.assert(
      fc.property(bound, bound, (left, right) => {
        expect(approvalDigest(KEY, left) === approvalDigest(KEY, right)).toBe(plain(left) === plain(right));
        expect(approvalDigest(KEY, structuredClone(left))).toBe(approvalDigest(KEY, left));
      }),
      { numRuns: 400 },
    );
  });

  test('bytes moved from one field to its neighbour change the digest', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 4 }), fc.string({ maxLength: 4 }), (head, tail) => {
        const moved = { ...BOUND, target: head + tail, database: '' };
        expect(approvalDigest(KEY, { ...BOUND, target: head, database: tail }) === approvalDigest(KEY, moved)).toBe(tail === '');
      }),
    );
  });
});

/** An independent comparison: JSON, with sets in a fixed order. */
function plain(value: BoundStatement): string {
  return JSON.stringify({
    ...value,
    principal: [value.principal.issuer, value.principal.agent, value.principal.human ?? null],
    statement: [...value.statement],
    executes: value.executes === undefined ? null : [...value.executes],
    parameters: value.parameters.map((p) => [p.type, p.format, p.value === null ? null : [...p.value]]),
    settings: value.settings.map((pair) => JSON.stringify(pair)).toSorted(),
    reached: value.reached.map((object) => JSON.stringify([object.oid, object.definitionHash])).toSorted(),
  });
}
