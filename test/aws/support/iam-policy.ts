/** Policies of the synthesized templates, and whether they allow what is asked. */
import { isObject, textOf, type Json, type JsonObject } from '../../support/state-machine/json-value.ts';
import { objectIn, type SynthesizedTemplates } from '../../support/synthesized-template.ts';
import type { Asked } from './iam-request.ts';

export type Grant = {
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  /** Partition keys that it is held to. */
  readonly keys: readonly string[] | undefined;
};

/** Conditions that the emulator's requests cannot show: what S3 does with a key is not a request of ours. */
const NOT_SEEN = new Set(['kms:ViaService']);

/** By the name of the role, which its policy has too. */
export function grantsByRole(templates: SynthesizedTemplates): ReadonlyMap<string, readonly Grant[]> {
  for (const { stack, id } of templates.ofType('AWS::SQS::Queue')) templates.give(stack, id, 'Arn', `arn:aws:sqs:::${id}`);
  return new Map(
    templates.ofType('AWS::IAM::ManagedPolicy').map((resource) => {
      const read = (name: string): Json => templates.resolve(resource.properties[name] ?? null, resource.stack);
      const statements = listOf(objectIn(read('PolicyDocument'))['Statement']);
      return [textOf(read('ManagedPolicyName')), statements.map((statement) => grantOf(objectIn(statement)))];
    }),
  );
}

/** A wildcard stands for any characters; actions have none (a test says so). */
export function allows(grants: readonly Grant[], { action, resource, keys }: Asked): boolean {
  return grants.some(
    (grant) =>
      grant.actions.includes(action) &&
      grant.resources.some((pattern) => matches(pattern, resource)) &&
      (grant.keys === undefined || (keys.length > 0 && keys.every((key) => grant.keys?.some((pattern) => matches(pattern, key))))),
  );
}

function grantOf(statement: JsonObject): Grant {
  if (statement['Effect'] !== 'Allow') throw new Error('policies of roles allow; who denies is a bucket or an organization');
  let keys: readonly string[] | undefined;
  for (const [operator, conditions] of Object.entries(objectIn(statement['Condition'] ?? {}))) {
    for (const [key, value] of Object.entries(objectIn(conditions))) {
      if (operator === 'ForAllValues:StringLike' && key === 'dynamodb:LeadingKeys') keys = listOf(value).map(textOf);
      else if (!NOT_SEEN.has(key)) throw new Error(`nobody here understands the condition ${operator} ${key}`);
    }
  }
  return { actions: listOf(statement['Action']).map(textOf), resources: listOf(statement['Resource']).map(textOf), keys };
}

function matches(pattern: string, text: string): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/gu, String.raw`\$&`));
  return new RegExp(`^${parts.join('.*')}$`, 'su').test(text);
}

function listOf(value: Json | undefined): readonly Json[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [isObject(value) ? value : textOf(value)];
}
