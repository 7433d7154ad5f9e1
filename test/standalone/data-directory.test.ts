import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { dataDirectory } from '../../standalone/data-directory.ts';
import { ensureOperatorToken, operatorCheck, readOperatorToken } from '../../standalone/operator-token.ts';
import { readRunning, removeRunning, writeRunning } from '../../standalone/running.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sallyport-data-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test('the flag wins over the environment, which wins over .sallyport here', () => {
  expect(dataDirectory('/a', { SALLYPORT_DATA: '/b' })).toBe('/a');
  expect(dataDirectory(undefined, { SALLYPORT_DATA: '/b' })).toBe('/b');
  expect(dataDirectory(undefined, { SALLYPORT_DATA: '' })).toBe(resolve('.sallyport'));
});

test('the operator token is made once and only its owner may read it', () => {
  expect(readOperatorToken(directory)).toBeUndefined();
  const token = ensureOperatorToken(directory);
  expect(ensureOperatorToken(directory)).toBe(token);
  expect(statSync(join(directory, 'operator-token')).mode & 0o777).toBe(0o600);
  const check = operatorCheck(token);
  expect([check(token), check(''), check(`${token} `)]).toEqual([true, false, false]);
});

test('a damaged operator token is an error, not replaced', () => {
  writeFileSync(join(directory, 'operator-token'), 'short\n');
  chmodSync(join(directory, 'operator-token'), 0o600);
  expect(() => ensureOperatorToken(directory)).toThrow('EEXIST');
});

test('running.json is read as it was written, and what is not understood counts as none', () => {
  const running = { pid: 1, api: 'http://127.0.0.1:8080', issuer: 'http://127.0.0.1:9090', postgres: { host: '127.0.0.1', port: 6432 } };
  writeRunning(directory, running);
  expect(readRunning(directory)).toEqual(running);
  writeFileSync(join(directory, 'running.json'), '{"pid":1,"api":"x"}');
  expect(readRunning(directory)).toBeUndefined();
  removeRunning(directory);
  expect(readRunning(directory)).toBeUndefined();
});
