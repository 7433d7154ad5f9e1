import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  MAX_STARTUP_PACKET_BYTES,
  decodeStartupPacket,
  encodeCancelRequest,
  encodeSslRequest,
  encodeStartupMessage,
} from '../../../../proxy-task/postgres/messages/startup-packet.ts';
import {
  decodeAuthentication,
  encodeAuthenticationCleartextPassword,
  encodeAuthenticationOk,
  encodeAuthenticationSasl,
  encodeAuthenticationSaslContinue,
} from '../../../../proxy-task/postgres/messages/authentication.ts';
import { decodeBackendKeyData, encodeBackendKeyData } from '../../../../proxy-task/postgres/messages/backend-key-data.ts';
import { decodeBind, encodeBind, encodeFailingBind, formatAt } from '../../../../proxy-task/postgres/messages/bind.ts';
import { encodeFlush, encodeSync, encodeTerminate, expectNoBody } from '../../../../proxy-task/postgres/messages/bodiless.ts';
import { decodeCommandComplete, encodeCommandComplete } from '../../../../proxy-task/postgres/messages/command-complete.ts';
import {
  decodeCopyFail,
  decodeCopyResponse,
  encodeCopyData,
  encodeCopyDone,
  encodeCopyFail,
} from '../../../../proxy-task/postgres/messages/copy.ts';
import { decodeDataRow, decodeDataRowHeader, encodeDataRow } from '../../../../proxy-task/postgres/messages/data-row.ts';
import { decodeClose, decodeDescribe, encodeClose, encodeDescribe } from '../../../../proxy-task/postgres/messages/describe-close.ts';
import {
  decodeErrorFields,
  encodeErrorResponse,
  encodeLegacyError,
  encodeNoticeResponse,
  errorField,
  sqlstateOf,
} from '../../../../proxy-task/postgres/messages/error-response.ts';
import { decodeExecute, encodeExecute } from '../../../../proxy-task/postgres/messages/execute.ts';
import { decodeFunctionCall } from '../../../../proxy-task/postgres/messages/function-call.ts';
import {
  decodeNegotiateProtocolVersion,
  encodeNegotiateProtocolVersion,
} from '../../../../proxy-task/postgres/messages/negotiate-protocol-version.ts';
import { decodeNotificationResponse, encodeNotificationResponse } from '../../../../proxy-task/postgres/messages/notification-response.ts';
import { decodeParameterDescription } from '../../../../proxy-task/postgres/messages/parameter-description.ts';
import { decodeParameterStatus, encodeParameterStatus } from '../../../../proxy-task/postgres/messages/parameter-status.ts';
import { decodeParse, encodeParse } from '../../../../proxy-task/postgres/messages/parse.ts';
import {
  decodePassword,
  decodeSaslInitialResponse,
  encodePassword,
  encodeSaslInitialResponse,
} from '../../../../proxy-task/postgres/messages/password.ts';
import { decodeQuery, encodeQuery } from '../../../../proxy-task/postgres/messages/query.ts';
import { decodeReadyForQuery, encodeReadyForQuery } from '../../../../proxy-task/postgres/messages/ready-for-query.ts';
import { decodeRowDescription, encodeRowDescription } from '../../../../proxy-task/postgres/messages/row-description.ts';

type Decoder = (buffer: Buffer, start: number, end: number) => unknown;

const DECODERS: Readonly<Record<string, Decoder>> = {
  Query: decodeQuery,
  Parse: decodeParse,
  Bind: decodeBind,
  Describe: decodeDescribe,
  Close: decodeClose,
  Execute: decodeExecute,
  FunctionCall: decodeFunctionCall,
  CopyFail: decodeCopyFail,
  CopyResponse: (buffer, start, end) => decodeCopyResponse('out', buffer, start, end),
  Password: decodePassword,
  SASLInitialResponse: decodeSaslInitialResponse,
  Startup: decodeStartupPacket,
  RowDescription: decodeRowDescription,
  ParameterDescription: decodeParameterDescription,
  DataRow: decodeDataRow,
  DataRowHeader: decodeDataRowHeader,
  CommandComplete: decodeCommandComplete,
  ErrorResponse: decodeErrorFields,
  Sqlstate: sqlstateOf,
  ParameterStatus: decodeParameterStatus,
  BackendKeyData: decodeBackendKeyData,
  ReadyForQuery: decodeReadyForQuery,
  NotificationResponse: decodeNotificationResponse,
  NegotiateProtocolVersion: decodeNegotiateProtocolVersion,
  Authentication: decodeAuthentication,
};

/** Puts a message between other bytes, with the terminators it may lack behind it, so that a decoder which leaves its bounds is seen. */
function decodeInside<T>(decode: (buffer: Buffer, start: number, end: number) => T, message: Buffer, headerBytes = 5): T {
  const around = Buffer.concat([Buffer.alloc(3, 0x41), message, Buffer.alloc(9)]);
  return decode(around, 3 + headerBytes, 3 + message.length);
}

const text = fc
  .string({ unit: 'binary', maxLength: 30 })
  .filter((value) => !value.includes('\0') && Buffer.from(value).toString() === value);
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const oid = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const format = fc.constantFrom(0 as const, 1 as const);

describe('decoding what was encoded yields the same', () => {
  test('Query, with the bounds of its text', () => {
    fc.assert(
      fc.property(text, (sql) => {
        const message = encodeQuery(sql);
        const query = decodeQuery(message, 5, message.length);
        expect(query.sql).toBe(sql);
        expect(message.toString('utf8', query.sqlStart, query.sqlEnd)).toBe(sql);
      }),
    );
  });

  test('Parse', () => {
    fc.assert(
      fc.property(fc.record({ statement: text, sql: text, parameterTypes: fc.array(oid, { maxLength: 5 }) }), (parse) => {
        expect(decodeInside(decodeParse, encodeParse(parse))).toMatchObject(parse);
      }),
    );
  });

  test('Bind', () => {
    const parameters = fc.array(fc.option(text), { maxLength: 5 });
    fc.assert(
      fc.property(fc.record({ portal: text, statement: text, parameters, resultFormats: fc.array(format, { maxLength: 3 }) }), (bind) => {
        const message = encodeBind(bind);
        const decoded = decodeBind(message, 5, message.length);
        expect(decoded).toMatchObject({ portal: bind.portal, statement: bind.statement, resultFormats: bind.resultFormats });
        const values = decoded.parameters.map((range) => (range === undefined ? null : message.toString('utf8', range.start, range.end)));
        expect(values).toEqual(bind.parameters);
      }),
    );
  });

  test('Describe, Close and Execute', () => {
    fc.assert(
      fc.property(
        fc.record({ kind: fc.constantFrom('statement' as const, 'portal' as const), name: text }),
        text,
        int32,
        (named, portal, maxRows) => {
          expect(decodeInside(decodeDescribe, encodeDescribe(named))).toEqual(named);
          expect(decodeInside(decodeClose, encodeClose(named))).toEqual(named);
          expect(decodeInside(decodeExecute, encodeExecute({ portal, maxRows }))).toEqual({ portal, maxRows });
        },
      ),
    );
  });

  test('RowDescription and DataRow', () => {
    const column = fc.record({
      name: text,
      tableOid: oid,
      attnum: fc.integer({ min: -32768, max: 32767 }),
      typeOid: oid,
      typlen: fc.integer({ min: -32768, max: 32767 }),
      typmod: int32,
      format,
    });
    fc.assert(
      fc.property(
        fc.array(column, { maxLength: 5 }),
        fc.array(fc.option(fc.uint8Array({ maxLength: 20 })), { maxLength: 6 }),
        (columns, cells) => {
          expect(decodeInside(decodeRowDescription, encodeRowDescription(columns))).toEqual(columns);
          const row = encodeDataRow(cells);
          expect(decodeInside(decodeDataRow, row)).toEqual(cells.map((cell) => (cell === null ? null : Buffer.from(cell))));
          expect(decodeDataRowHeader(row, 5, row.length)).toEqual({ columns: cells.length, cellsStart: 7 });
        },
      ),
    );
  });

  test('fields of errors and notices, in their order', () => {
    const field = fc.tuple(fc.constantFrom('S', 'V', 'C', 'M', 'D', 'H'), text);
    fc.assert(
      fc.property(fc.array(field, { maxLength: 6 }), (fields) => {
        expect(decodeInside(decodeErrorFields, encodeErrorResponse(fields))).toEqual(fields);
        expect(decodeInside(decodeErrorFields, encodeNoticeResponse(fields))).toEqual(fields);
      }),
    );
  });

  test('the small ones', () => {
    fc.assert(
      fc.property(text, text, int32, fc.uint8Array({ minLength: 4, maxLength: 256 }), (name, value, processId, bytes) => {
        const secret = Buffer.from(bytes);
        expect(decodeInside(decodeParameterStatus, encodeParameterStatus(name, value))).toEqual({ name, value });
        expect(decodeInside(decodeBackendKeyData, encodeBackendKeyData({ processId, secret }))).toEqual({ processId, secret });
        expect(decodeInside(decodeStartupPacket, encodeCancelRequest(processId, secret), 4)).toEqual({
          kind: 'cancelRequest',
          processId,
          secret,
        });
        const notification = { processId, channel: name, payload: value };
        expect(decodeInside(decodeNotificationResponse, encodeNotificationResponse(notification))).toEqual(notification);
        expect(decodeInside(decodePassword, encodePassword(value))).toBe(value);
        expect(decodeInside(decodeSaslInitialResponse, encodeSaslInitialResponse(name, secret))).toEqual({
          mechanism: name,
          response: secret,
        });
        expect(decodeInside(decodeCopyFail, encodeCopyFail(name))).toBe(name);
      }),
    );
  });

  test('a message of any length around the buffer it grows out of', () => {
    for (let length = 0; length < 300; length++) {
      const fields: [string, string][] = [
        ['M', 'x'.repeat(length)],
        ['D', 'y'],
      ];
      expect(decodeInside(decodeErrorFields, encodeErrorResponse(fields))).toEqual(fields);
      const bind = { portal: 'p'.repeat(length), statement: '', parameters: ['v', null] };
      expect(decodeInside(decodeBind, encodeBind(bind)).parameters).toHaveLength(2);
    }
  });

  test.each(['I', 'T', 'E'] as const)('ReadyForQuery %s', (status) => {
    expect(decodeInside(decodeReadyForQuery, encodeReadyForQuery(status))).toBe(status);
  });

  test('startup messages', () => {
    const parameters = new Map([
      ['user', 'agent'],
      ['database', 'bänk'],
      ['options', ''],
    ]);
    expect(decodeInside(decodeStartupPacket, encodeStartupMessage(2, parameters), 4)).toEqual({
      kind: 'startup',
      major: 3,
      minor: 2,
      parameters,
    });
    expect(decodeInside(decodeStartupPacket, encodeSslRequest(), 4)).toEqual({ kind: 'sslRequest' });
  });

  test('NegotiateProtocolVersion carries the whole version', () => {
    const message = encodeNegotiateProtocolVersion({ minor: 2, unknownOptions: ['_pq_.a', '_pq_.b'] });
    expect(message.readInt32BE(5)).toBe(196610);
    expect(decodeInside(decodeNegotiateProtocolVersion, message)).toEqual({ minor: 2, unknownOptions: ['_pq_.a', '_pq_.b'] });
  });

  test('authentication requests', () => {
    expect(decodeInside(decodeAuthentication, encodeAuthenticationOk())).toEqual({ kind: 'ok' });
    expect(decodeInside(decodeAuthentication, encodeAuthenticationCleartextPassword())).toEqual({ kind: 'cleartext' });
    expect(decodeInside(decodeAuthentication, encodeAuthenticationSasl(['A', 'B']))).toEqual({ kind: 'sasl', mechanisms: ['A', 'B'] });
    expect(decodeInside(decodeAuthentication, encodeAuthenticationSaslContinue(Buffer.from('x')))).toEqual({
      kind: 'saslContinue',
      data: Buffer.from('x'),
    });
  });
});

describe('bytes as the protocol has them', () => {
  test.each([
    ['Sync', encodeSync(), '5300000004'],
    ['Flush', encodeFlush(), '4800000004'],
    ['Terminate', encodeTerminate(), '5800000004'],
    ['CopyDone', encodeCopyDone(), '6300000004'],
    ['CopyData', encodeCopyData(Buffer.from([1, 2])), '64000000060102'],
    ['SSLRequest', encodeSslRequest(), '0000000804d2162f'],
    ['ReadyForQuery', encodeReadyForQuery('E'), '5a0000000545'],
    ['a Bind that must fail', encodeFailingBind('x'), '420000000d007800000000000000'],
    ['an error before protocol 3', encodeLegacyError('no'), Buffer.from('EFATAL:  no\n\0').toString('hex')],
  ])('%s', (_name, message, hex) => {
    expect(message.toString('hex')).toBe(hex);
  });

  test.each([
    ['SELECT 5', 'SELECT', 5],
    ['INSERT 0 12', 'INSERT', 12],
    ['INSERT 16385 1', 'INSERT', 1],
    ['COPY 0', 'COPY', 0],
    ['CREATE TABLE', 'CREATE TABLE', undefined],
    ['MERGE 3', 'MERGE', 3],
    ['', '', undefined],
  ])('the tag %j', (tag, command, rows) => {
    expect(decodeInside(decodeCommandComplete, encodeCommandComplete(tag))).toEqual({ tag, command, rows });
  });

  test('the SQLSTATE of an error is found without decoding the rest', () => {
    const message = encodeErrorResponse([
      ['S', 'ERROR'],
      ['C', '26000'],
      ['M', 'x'],
    ]);
    expect(decodeInside(sqlstateOf, message)).toBe('26000');
    expect(errorField(decodeInside(decodeErrorFields, message), 'M')).toBe('x');
  });

  test('formats are none, one for all, or one each', () => {
    expect([formatAt([], 3), formatAt([1], 3), formatAt([0, 1], 1)]).toEqual([0, 1, 1]);
  });
});

describe('what is malformed is refused', () => {
  const malformed = expect.objectContaining({ code: 'malformed-message' });
  const body = (...parts: (string | number[])[]): Buffer =>
    Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part))));

  test.each<[string, Decoder, Buffer]>([
    ['a Query without its end', decodeQuery, body('select 1')],
    ['a Query with bytes after its end', decodeQuery, body('select 1\0; drop table x\0')],
    ['an empty Query body', decodeQuery, body()],
    ['a Parse that counts more types than it has', decodeParse, body('\0select\0', [0, 2, 0, 0, 0, 1])],
    ['a Parse with bytes left over', decodeParse, body('\0select\0', [0, 0, 0])],
    ['a Bind with an unknown format', decodeBind, body('\0\0', [0, 1, 0, 2, 0, 0, 0, 0])],
    ['a Bind with two formats for three parameters', decodeBind, body('\0\0', [0, 2, 0, 0, 0, 1, 0, 3])],
    ['a Bind with a length below -1', decodeBind, body('\0\0', [0, 0, 0, 1, 255, 255, 255, 254, 0, 0])],
    ['a Bind with a length beyond its end', decodeBind, body('\0\0', [0, 0, 0, 1, 0x7f, 255, 255, 255, 0, 0])],
    ['a Describe of neither', decodeDescribe, body('Xname\0')],
    ['a Close without a name', decodeClose, body('S')],
    ['an Execute with a short count', decodeExecute, body('\0', [0, 0, 0])],
    ['a DataRow with a cell beyond its end', decodeDataRow, body([0, 1, 0, 0, 0, 9, 1])],
    ['a ReadyForQuery of an unknown status', decodeReadyForQuery, body('X')],
    ['a cancel key of 3 bytes', decodeStartupPacket, body([0x04, 0xd2, 0x16, 0x2e, 0, 0, 0, 1, 1, 2, 3])],
    ['a cancel key of 257 bytes', decodeStartupPacket, body([0x04, 0xd2, 0x16, 0x2e, 0, 0, 0, 1], '.'.repeat(257))],
    ['an SSLRequest with more in it', decodeStartupPacket, body([0x04, 0xd2, 0x16, 0x2f, 0])],
    ['a startup parameter that stands twice', decodeStartupPacket, body([0, 3, 0, 0], 'user\0a\0user\0b\0\0')],
    ['startup parameters without their end', decodeStartupPacket, body([0, 3, 0, 0], 'user\0a\0')],
    ['startup parameters with bytes after their end', decodeStartupPacket, body([0, 3, 0, 0], 'user\0a\0\0x')],
    ['an error field without a letter', decodeErrorFields, body([0x80], 'x\0\0')],
    ['a SQLSTATE that ends behind its message', sqlstateOf, body('C26000')],
    ['an error without a SQLSTATE', sqlstateOf, body('Mx\0\0')],
    ['error fields without an end', decodeErrorFields, body('Mx\0')],
  ])('%s', (_name, decode, bytes) => {
    expect(() => decodeInside(decode, bytes, 0)).toThrow(malformed);
  });

  test('a body that must be empty and is not', () => {
    expect(() => expectNoBody('Sync', 5, 6)).toThrow(malformed);
  });

  test.each<[string, Decoder, Buffer]>([
    ['Query', decodeQuery, body("select '", [0xff], "'\0")],
    ['Parse', decodeParse, body([0xc3], '\0select\0', [0, 0])],
    ['Describe', decodeDescribe, body('S', [0xed, 0xa0, 0x80], '\0')],
  ])('text that is no UTF-8 is told apart: %s', (_name, decode, bytes) => {
    expect(() => decodeInside(decode, bytes, 0)).toThrow(expect.objectContaining({ code: 'wrong-encoding' }));
  });

  test('a replacement character that was sent as such is text', () => {
    expect(decodeInside(decodeQuery, encodeQuery("select '\uFFFD'"))).toMatchObject({ sql: "select '\uFFFD'" });
  });

  test.each(Object.entries(DECODERS))('%s: random bytes never crash, nor does a bound go unseen', (_name, decode) => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 80 }),
      fc.array(fc.constantFrom(0, 0, 0, 1, 2, 3, 0x53, 0xff), { maxLength: 60 }).map((list) => Uint8Array.from(list)),
    );
    fc.assert(
      fc.property(bytes, (value) => {
        const outcome = attempt(() => decodeInside(decode, Buffer.from(value), 0));
        if (!outcome.ok) expect(outcome.code).toMatch(/^(?:malformed-message|wrong-encoding)$/u);
        // The same bytes in a buffer that ends with them mean the same.
        expect(attempt(() => decode(Buffer.from(value), 0, value.length)).ok).toBe(outcome.ok);
      }),
      { numRuns: 300 },
    );
  });

  test('NUL cannot be smuggled into what the gateway sends', () => {
    expect(() => encodeQuery('a\0b')).toThrow('cannot hold NUL');
    expect(() => encodeStartupMessage(0, [['user', 'a\0b']])).toThrow('cannot hold NUL');
    expect(decodeInside(decodeErrorFields, encodeErrorResponse([['M', 'a\0b']]))).toEqual([['M', 'ab']]);
  });

  test('more parameters than the protocol counts are not cut to fewer', () => {
    const parameters = Array.from({ length: 65_536 }, () => null);
    expect(() => encodeBind({ portal: '', statement: '', parameters })).toThrow('16 bits');
    const message = encodeBind({ portal: '', statement: '', parameters: parameters.slice(1) });
    expect(decodeInside(decodeBind, message).parameters).toHaveLength(65_535);
  });

  test('the limit of startup packets is the one of PostgreSQL', () => {
    expect(MAX_STARTUP_PACKET_BYTES).toBe(10_000);
  });
});

function attempt(run: () => unknown): { readonly ok: true } | { readonly ok: false; readonly code: unknown } {
  try {
    run();
    return { ok: true };
  } catch (error) {
    return { ok: false, code: error instanceof Error && 'code' in error ? error.code : error };
  }
}
