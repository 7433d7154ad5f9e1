/** What goes to AWS Config and to an organization as text: nothing else would read it before AWS does. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ManagedRuleIdentifiers } from 'aws-cdk-lib/aws-config';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { PRODUCTION } from '../../infra/stages.ts';
import { synthesize } from './synthesized.ts';

const INFRA = fileURLToPath(new URL('../../infra', import.meta.url));

describe('the conformance pack', () => {
  const text = readFileSync(`${INFRA}/conformance/ffiec.yaml`, 'utf8');
  const rules: [string, Record<string, Record<string, unknown>>][] = Object.entries(parse(text).Resources);

  test('each rule is a managed one that exists, once', () => {
    // The last two are newer than the list of CDK; both are in AWS Config's own list of managed rules.
    const known = new Set([
      ...Object.values(ManagedRuleIdentifiers),
      'DYNAMODB_TABLE_DELETION_PROTECTION_ENABLED',
      'STEP_FUNCTIONS_STATE_MACHINE_LOGGING_ENABLED',
    ]);
    const names = rules.map(([, rule]) => String(Object(rule['Properties']?.['Source'])['SourceIdentifier']));
    expect(names.filter((name) => !known.has(name))).toEqual([]);
    expect(new Set(names).size).toBe(names.length);
  });

  test('it asks for COMPLIANCE locks, where the sample of AWS asks for Governance', () => {
    const lock = rules.find(([name]) => name === 'S3BucketDefaultLockEnabled')?.[1];
    expect(lock?.['Properties']?.['InputParameters']).toEqual({ mode: 'COMPLIANCE' });
  });

  test('it fits into a template body, and production deploys it', () => {
    expect(Buffer.byteLength(text)).toBeLessThan(51_200);
    synthesize(PRODUCTION).templates.state.hasResourceProperties('AWS::Config::ConformancePack', { TemplateBody: text });
  });
});

describe('service control policies', () => {
  test.each(readdirSync(`${INFRA}/policies`).filter((name) => name.endsWith('.json')))('%s only denies, and is short enough', (name) => {
    const text = readFileSync(`${INFRA}/policies/${name}`, 'utf8');
    const policy: { Statement: { Effect: string; Sid: string }[] } = JSON.parse(text);
    expect(new Set(policy.Statement.map(({ Effect }) => Effect))).toEqual(new Set(['Deny']));
    // AWS counts a policy without the white space between its parts.
    expect(JSON.stringify(policy).length).toBeLessThan(5_120);
  });
});
