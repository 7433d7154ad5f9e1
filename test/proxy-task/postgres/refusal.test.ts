import { describe, expect, test } from 'vitest';
import { decodeErrorFields, errorField } from '../../../proxy-task/postgres/messages/error-response.ts';
import * as refusals from '../../../proxy-task/postgres/refusal.ts';
import { encodeRefusal, encodeRefusalNotice, type Refusal } from '../../../proxy-task/postgres/refusal.ts';
import { GATEWAY_SQLSTATES } from '../../../proxy-task/postgres/sqlstate.ts';
import { UpstreamUnavailable, upstreamRefusal } from '../../../proxy-task/postgres/upstream-error.ts';

const pointer = { approvalId: 'ap_1', url: 'https://x/ap_1', expiresAt: '2026-01-01T00:00:00Z', digest: 'd', retryAfterMs: 5 };
const TABLE: readonly (readonly [code: string, refusal: Refusal, detail: Record<string, unknown>])[] = [
  ['28000', refusals.notLetIn(), { executed: 'no' }],
  ['28000', refusals.tlsRequired(), { executed: 'no' }],
  ['ZG001', refusals.approvalRequired('two persons', pointer), { executed: 'no', ...pointer }],
  ['ZG003', refusals.approvalRejected('ap_1', 'not today'), { executed: 'no', approvalId: 'ap_1', reason: 'not today' }],
  ['ZG004', refusals.approvalExpired('ap_1', 'nobody answered'), { executed: 'no', approvalId: 'ap_1', reason: 'nobody answered' }],
  [
    'ZG005',
    refusals.approvalMismatch({ approvalId: 'a', digest: 'b', approvedDigest: 'c' }),
    { executed: 'no', approvalId: 'a', digest: 'b', approvedDigest: 'c' },
  ],
  [
    'ZG006',
    refusals.approvalUsed({ approvalId: 'a', at: 't', rows: 3, outcome: 'committed' }),
    { executed: 'yes', approvalId: 'a', at: 't', rows: 3, outcome: 'committed' },
  ],
  [
    'ZG006',
    refusals.approvalUsed({ approvalId: 'a', at: 't', rows: 3, outcome: 'unknown' }),
    { executed: 'unknown', approvalId: 'a', at: 't', rows: 3, outcome: 'unknown' },
  ],
  ['ZG010', refusals.blockedByPolicy('no drops', ['no-drop']), { executed: 'no', policies: ['no-drop'], reason: 'no drops' }],
  [
    'ZG011',
    refusals.capHit({ measure: 'rows', limit: 5, used: 6 }, 'unknown'),
    { executed: 'unknown', measure: 'rows', limit: 5, used: 6 },
  ],
  [
    'ZG012',
    refusals.budgetUsedUp({ measure: 'rows', limit: 5, used: 6, renewsAt: 't' }),
    { executed: 'no', measure: 'rows', limit: 5, used: 6, renewsAt: 't' },
  ],
  [
    'ZG013',
    refusals.maskedUse({ column: 'c', use: 'ORDER BY', allowed: 'count' }),
    { executed: 'no', column: 'c', use: 'ORDER BY', allowed: 'count' },
  ],
  ['ZG014', refusals.unjudgeable('NUL', 7), { executed: 'no', reason: 'NUL', atByte: 7 }],
  ['ZG020', refusals.endedByOperator('ann', 'why'), { executed: 'no', by: 'ann', reason: 'why' }],
  ['ZG030', refusals.recorderFailed('yes'), { executed: 'yes' }],
  ['57P01', refusals.reconnect('draining'), { executed: 'no' }],
  ['57014', refusals.canceledWhileHeld('ap_1'), { executed: 'no', approvalId: 'ap_1' }],
  ['08P01', refusals.protocolViolation('x'), { executed: 'no' }],
  ['53300', refusals.tooManyConnections('x'), { executed: 'no' }],
];

describe('every refusal', () => {
  test.each(TABLE)('%s on the wire', (code, refusal, detail) => {
    const message = encodeRefusal(refusal);
    const fields = decodeErrorFields(message, 5, message.length);
    expect(fields.map(([letter]) => letter).join('')).toMatch(/^SVCMDH?$/u);
    expect(errorField(fields, 'C')).toBe(code);
    expect(errorField(fields, 'S')).toBe(errorField(fields, 'V'));
    const text = errorField(fields, 'D') ?? '';
    expect(text).not.toContain('\n');
    expect(JSON.parse(text)).toEqual(detail);
  });

  test('ends the session exactly where the table says so', () => {
    const fatal = TABLE.filter(([, refusal]) => refusal.severity === 'FATAL').map(([code]) => code);
    expect([...new Set(fatal)].toSorted()).toEqual(['08P01', '28000', '53300', '57P01', 'ZG020', 'ZG030']);
    for (const [code, { severity }] of Object.entries(GATEWAY_SQLSTATES)) {
      if (['ZG020', 'ZG030'].includes(code)) expect(severity).toBe('FATAL');
      else if (code.startsWith('ZG')) expect(severity).toBe('ERROR');
    }
  });

  test('as a notice has no severity that would end anything', () => {
    const message = encodeRefusalNotice(refusals.approvalRequired('x', pointer));
    expect(String.fromCharCode(message[0] ?? 0)).toBe('N');
    expect(errorField(decodeErrorFields(message, 5, message.length), 'S')).toBe('NOTICE');
  });

  test('cannot be made to forge lines by a reason', () => {
    const refusal = refusals.approvalRejected('ap_1', 'ok\nFATAL: \u001b[2J\u202efine');
    expect(refusal.message).toBe('approval rejected: ok FATAL:  [2J fine');
    expect(refusal.detail).toMatch(/^[\x20-\x7e]*$/u);
    expect(JSON.parse(refusal.detail)).toMatchObject({ reason: 'ok\nFATAL: \u001b[2J\u202efine' });
  });

  test('of a login says the same whatever was wrong', () => {
    expect(JSON.stringify(refusals.notLetIn())).not.toMatch(/signature|audience|issuer|expired/iu);
  });
});

test.each([
  ['unreachable', '08001'],
  ['timedOut', '08001'],
  ['canceled', '08001'],
  ['tooManyConnections', '53300'],
  ['startingUp', '57P03'],
  ['credential', '08001'],
  ['refused', '08001'],
  ['tls', '08001'],
  ['protocol', '08001'],
  ['version', '08001'],
] as const)('a target that is %s is told as %s, without its own words', (fault, code) => {
  const refusal = upstreamRefusal('bank', new UpstreamUnavailable(fault, 'role "svc_gateway" at 10.1.2.3'));
  expect(refusal.code).toBe(code);
  expect(JSON.stringify(refusal)).not.toMatch(/svc_gateway|10\.1/u);
  expect(JSON.parse(refusal.detail)).toEqual({ executed: 'no', target: 'bank' });
});
