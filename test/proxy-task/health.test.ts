import { connect } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { serveHealth, type Health } from '../../proxy-task/health.ts';
import { localHeader, proxyHeader } from '../support/proxy-headers.ts';

let reasons: string[];
let health: Health;
beforeEach(async () => {
  reasons = [];
  health = await serveHealth({ host: '127.0.0.1', port: 0, reasons: () => reasons });
});
afterEach(() => health.stop());

function raw(...pieces: readonly Buffer[]): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(health.port, '127.0.0.1');
    const answered: Buffer[] = [];
    socket.on('data', (bytes) => answered.push(bytes));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(Buffer.concat(answered).toString()));
    for (const piece of pieces) socket.write(piece);
  });
}

const REQUEST = Buffer.from('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n');

test('a task that may get sessions answers 200', async () => {
  const response = await fetch(`http://127.0.0.1:${health.port}/`);
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({ serving: true, reasons: [] });
});

test('one that may not answers 503 and why', async () => {
  reasons = ['draining', 'the recorder cannot write'];
  const response = await fetch(`http://127.0.0.1:${health.port}/`);
  expect(response.status).toBe(503);
  expect(await response.json()).toEqual({ serving: false, reasons });
});

test.each([
  ['a health check of the load balancer', localHeader()],
  ['a connection through it', proxyHeader('203.0.113.9')],
])('the header of %s is taken away', async (_what, header) => {
  expect(await raw(header, REQUEST)).toMatch(/^HTTP\/1\.1 200 /u);
  expect(await raw(Buffer.concat([header, REQUEST]))).toMatch(/^HTTP\/1\.1 200 /u);
});

test('what is no header and no request is answered with nothing of use', async () => {
  expect(await raw(Buffer.from('\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r'))).toBe('');
  expect(await raw(Buffer.from('hello\r\n\r\n'))).not.toContain('200');
});
