/** What clients see when whoever decides beside the gateway says no, or nothing. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Opinion } from '../../proxy-task/pipeline/second-opinion.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';

let postgres: TestPostgres;
let gateway: TestGateway;
let opinion: Opinion;

beforeAll(async () => {
  postgres = await startPostgres();
  gateway = await startGateway(postgres, { secondOpinion: { of: async () => opinion } });
});
beforeEach(() => {
  opinion = { kind: 'agrees' };
});
afterAll(async () => {
  await gateway.stop();
  await postgres.stop();
});

test('live sessions go on while nobody answers, and new ones are told to connect again', async () => {
  const live = await gateway.connect();
  opinion = { kind: 'unavailable', reason: 'evaluate-policy gives no answer' };
  expect((await live.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  await expect(gateway.connect()).rejects.toMatchObject({ code: '57P01', severity: 'FATAL', hint: 'Connect again.' });
  opinion = { kind: 'agrees' };
  expect((await (await gateway.connect()).query('SELECT 2 AS two')).rows).toEqual([{ two: 2 }]);
});

test('a disagreement is told as every other refusal, and recorded with its reason', async () => {
  opinion = { kind: 'disagrees', reason: 'lookup-masking has another masking plan' };
  await expect(gateway.connect()).rejects.toMatchObject({ code: '28000', message: expect.not.stringContaining('masking') });
  const writers = join(gateway.evidenceDir, 'writers');
  const recorded = (): string =>
    readdirSync(writers)
      .map((file) => readFileSync(join(writers, file), 'utf8'))
      .join('');
  await expect.poll(recorded, { timeout: 10_000 }).toContain('lookup-masking has another masking plan');
});

test('who shows no good token hears nothing of what is unavailable', async () => {
  opinion = { kind: 'unavailable', reason: 'evaluate-policy gives no answer' };
  const client = new Client({ host: '127.0.0.1', port: gateway.port, database: 'db', user: 'agent', password: 'no-token' });
  await expect(client.connect()).rejects.toMatchObject({ code: '28000' });
});
