import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { mockClient } from 'aws-sdk-client-mock';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { SecretsCertificate } from '../../../proxy-task/adapters/secrets-certificate.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { settled } from '../../support/state-tables.ts';
import { makeAuthority, type TestAuthority } from '../../support/tls-files.ts';

const client = new SecretsManagerClient({ region: 'us-east-1' });
const mock = mockClient(client);
let authority: TestAuthority;
let clock: ManualClock;
let reports: unknown[];
beforeAll(() => {
  authority = makeAuthority();
});
afterAll(() => authority.remove());
beforeEach(() => {
  mock.reset();
  clock = new ManualClock(0);
  reports = [];
});

function secret(): string {
  const { cert, key } = authority.issue('DNS:gateway');
  return JSON.stringify({ certificate: cert, privateKey: key });
}
const holds = (text: string): void => void mock.on(GetSecretValueCommand).resolves({ SecretString: text });
const open = (): Promise<SecretsCertificate> =>
  SecretsCertificate.open({ client, secretArn: 'arn:x', clock, report: (error) => reports.push(error) });

async function fiveMinutes(): Promise<void> {
  clock.advance(300_000);
  await settled();
}

test('a renewed certificate is taken up within five minutes', async () => {
  holds(secret());
  const certificate = await open();
  const first = certificate.context();
  await fiveMinutes();
  expect(certificate.context()).toBe(first);
  holds(secret());
  await fiveMinutes();
  expect(certificate.context()).not.toBe(first);
  certificate.stop();
});

test.each([
  ['text that is no JSON', () => 'no'],
  ['no private key', () => JSON.stringify({ certificate: JSON.parse(secret()).certificate })],
  ['the key of another certificate', () => JSON.stringify({ ...JSON.parse(secret()), privateKey: JSON.parse(secret()).privateKey })],
  ['a certificate that is none', () => JSON.stringify({ ...JSON.parse(secret()), certificate: 'x' })],
])('after a renewal with %s the old one stays, and it is reported once without the secret', async (_what, broken) => {
  holds(secret());
  const certificate = await open();
  const first = certificate.context();
  holds(broken());
  await fiveMinutes();
  await fiveMinutes();
  expect(certificate.context()).toBe(first);
  expect(reports).toHaveLength(1);
  expect(`${String(reports[0])}${reports[0] instanceof Error ? String(reports[0].cause) : ''}`).not.toContain('PRIVATE');
  holds(secret());
  await fiveMinutes();
  expect(certificate.context()).not.toBe(first);
  certificate.stop();
});

test('a Secrets Manager that is down changes nothing for clients', async () => {
  holds(secret());
  const certificate = await open();
  const first = certificate.context();
  mock.on(GetSecretValueCommand).rejects(new Error('throttled'));
  await fiveMinutes();
  expect(certificate.context()).toBe(first);
  expect(reports).toHaveLength(1);
  certificate.stop();
});

test('without a usable certificate there is no start', async () => {
  holds('{}');
  await expect(open()).rejects.toMatchObject({ code: 'certificate-unusable' });
  mock.on(GetSecretValueCommand).rejects(new Error('denied'));
  await expect(open()).rejects.toMatchObject({ code: 'certificate-unusable' });
});
