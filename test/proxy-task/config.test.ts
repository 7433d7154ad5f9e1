import { expect, test } from 'vitest';
import { readProxyConfig } from '../../proxy-task/config.ts';

const NAMES = [
  'SALLYPORT_INSTANCE',
  ...['JOURNAL', 'WRITERS', 'SESSIONS', 'CONTROL', 'CANCELS', 'REQUESTS', 'DECISIONS', 'CLAIMS', 'BUDGETS', 'SSHKEYS'].map(
    (name) => `SALLYPORT_${name}_TABLE`,
  ),
  ...['EVIDENCE', 'STAGING', 'CONFIG'].map((name) => `SALLYPORT_${name}_BUCKET`),
  ...['EVALUATE_POLICY', 'LOOKUP_MASKING', 'ISSUE_CREDENTIAL', 'REQUEST_APPROVAL'].map((name) => `SALLYPORT_FN_${name}`),
  'SALLYPORT_BUNDLE_KEY_ARN',
  'SALLYPORT_SECRETS_ARN',
  'SALLYPORT_PUBLIC_URL',
];
const environment: Readonly<Record<string, string>> = Object.fromEntries(NAMES.map((name) => [name, `the-${name}`]));
const ECS = { ECS_CONTAINER_METADATA_URI_V4: 'http://169.254.170.2/v4/x', ECS_AGENT_URI: 'http://169.254.170.2/api/x' };

test('every variable that is missing is named in one error', () => {
  expect.assertions(NAMES.length + 2);
  try {
    readProxyConfig(ECS);
  } catch (error) {
    const message = error instanceof Error ? error.message : '';
    for (const name of [...NAMES, 'SALLYPORT_TLS_SECRET_ARN', 'SALLYPORT_IMAGE']) expect(message).toContain(`${name} is not set`);
  }
});

test('a task of ECS listens on all addresses, and only with a certificate', () => {
  expect(() => readProxyConfig({ ...environment, ...ECS, SALLYPORT_IMAGE: 'sha256:1' })).toThrow('SALLYPORT_TLS_SECRET_ARN is not set');
  const config = readProxyConfig({ ...environment, ...ECS, SALLYPORT_IMAGE: 'sha256:1', SALLYPORT_TLS_SECRET_ARN: 'arn' });
  expect(config).toMatchObject({ host: '0.0.0.0', postgresPort: 6_432, healthPort: 8_079, generation: 1, tlsSecretArn: 'arn' });
});

test('outside of ECS it listens on loopback, where it needs none', () => {
  expect(readProxyConfig({ ...environment, SALLYPORT_POSTGRES_PORT: '0', SALLYPORT_HEALTH_PORT: '0' })).toMatchObject({
    host: '127.0.0.1',
    postgresPort: 0,
    healthPort: 0,
    tlsSecretArn: undefined,
    ecs: undefined,
  });
});

test.each([
  ['SALLYPORT_POSTGRES_PORT', '65536'],
  ['SALLYPORT_HEALTH_PORT', 'x'],
  ['SALLYPORT_GENERATION', '0'],
  ['SALLYPORT_GENERATION', '1.5'],
  ['SALLYPORT_PROXY_PROTOCOL', 'v1'],
])('%s of "%s" is refused', (name, value) => {
  expect(() => readProxyConfig({ ...environment, [name]: value })).toThrow(name);
});

test('a load balancer that speaks first needs its addresses', () => {
  const v2 = { ...environment, SALLYPORT_PROXY_PROTOCOL: 'v2' };
  expect(() => readProxyConfig(v2)).toThrow('SALLYPORT_NLB_CIDRS');
  expect(() => readProxyConfig({ ...v2, SALLYPORT_NLB_CIDRS: '10.0.0.0/24,anywhere' })).toThrow('"anywhere" is not a range');
  const config = readProxyConfig({ ...v2, SALLYPORT_NLB_CIDRS: '10.0.0.0/24, 10.0.1.0/24' });
  expect(config.loadBalancer?.check('10.0.1.7')).toBe(true);
  expect(readProxyConfig({ ...environment, SALLYPORT_NLB_CIDRS: '10.0.0.0/24' }).loadBalancer).toBeUndefined();
});
