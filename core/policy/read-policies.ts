/** From the text of policy files to checked policies: Cedar's own parser and strict validator, then this project's rules. */
import { checkParsePolicySet, policySetTextToParts, policyToJson, validate, type DetailedError, type PolicyToJsonAnswer } from './cedar.ts';
import type { ConfigError } from '../config/config-error.ts';
import { readAnnotations, type ApproverLookup } from './annotations.ts';
import { checkPolicy, type KnownNames } from './check-policy.ts';
import { positionOfByte, positionOfText, splitPolicies, type PolicySource } from './policy-source.ts';
import type { Policy } from './policy.ts';
import { cedarSchema } from './schema.ts';

/** Parses and checks every `.cedar` file of a configuration. The policies count only when there are no errors. */
export function readPolicies(
  files: ReadonlyMap<string, string>,
  lookUpApprovers: ApproverLookup,
  known: KnownNames,
): { readonly policies: readonly Policy[]; readonly errors: readonly ConfigError[] } {
  const policies: Policy[] = [];
  const errors: ConfigError[] = [];
  for (const [file, fileText] of files) {
    const sources = splitPolicies(file, fileText);
    const before = errors.length;
    for (const source of sources) {
      const policy = readPolicy(source, lookUpApprovers, errors);
      if (policy !== undefined) policies.push(policy);
    }
    if (errors.length === before) errors.push(...checkSplit(file, fileText, sources));
  }
  const byId = new Map<string, Policy>();
  for (const policy of policies) {
    const other = byId.get(policy.id);
    if (other === undefined) byId.set(policy.id, policy);
    else {
      const at = positionOfText(policy.source, '@id');
      const fix = `choose another id; the first is in ${other.source.file}`;
      errors.push({ file: policy.source.file, ...at, message: `the id \`${policy.id}\` is taken`, fix });
    }
    errors.push(...checkPolicy(policy, known));
  }
  if (errors.length === 0) errors.push(...validateAgainstSchema(byId));
  return { policies, errors };
}

function readPolicy(source: PolicySource, lookUp: ApproverLookup, errors: ConfigError[]): Policy | undefined {
  const answer = parsePolicy(source.text);
  if (answer === undefined) {
    const message = 'the policy is too deeply nested to be parsed';
    errors.push({ file: source.file, ...positionOfByte(source, 0), message, fix: 'split it' });
    return undefined;
  }
  if (answer.type === 'failure') {
    errors.push(...answer.errors.map((error) => cedarError(source, error, 'correct the policy; templates are not used here')));
    return undefined;
  }
  // Cedar gives null for an annotation without a value, which its type does not say.
  const raw: Readonly<Record<string, string | null>> = answer.json.annotations ?? {};
  const read = readAnnotations(raw, lookUp);
  for (const { annotation, message, fix } of read.errors) {
    errors.push({ file: source.file, ...positionOfText(source, `@${annotation}`), message, fix });
  }
  return { ...read.annotations, effect: answer.json.effect, source, json: answer.json };
}

function parsePolicy(text: string): PolicyToJsonAnswer | undefined {
  try {
    return policyToJson(text);
  } catch {
    // Whatever the parser died of, the policy is refused.
    return undefined;
  }
}

/** Our cut of the file must be Cedar's: a policy that one of them does not see would be a rule that nobody enforces. */
function checkSplit(file: string, fileText: string, sources: readonly PolicySource[]): readonly ConfigError[] {
  const parts = policySetTextToParts(fileText);
  if (parts.type === 'success' && parts.policy_templates.length === 0 && parts.policies.length === sources.length) return [];
  const message = 'the file cannot be cut into policies without doubt';
  return [{ file, line: 1, column: 1, message, fix: 'end every policy with a semicolon and remove templates' }];
}

function validateAgainstSchema(byId: ReadonlyMap<string, Policy>): readonly ConfigError[] {
  const staticPolicies = Object.fromEntries([...byId].map(([id, policy]) => [id, policy.source.text]));
  const parsed = checkParsePolicySet({ staticPolicies });
  const answer = validate({ schema: cedarSchema(), policies: { staticPolicies }, validationSettings: { mode: 'strict' } });
  if (parsed.type === 'failure' || answer.type === 'failure') {
    const found = parsed.type === 'failure' ? parsed.errors : answer.type === 'failure' ? answer.errors : [];
    const message = `the policies cannot be validated: ${found.map((error) => error.message).join('; ')}`;
    return [{ file: 'policies', line: 1, column: 1, message, fix: 'correct the policies' }];
  }
  // A warning (a rule that can never apply, look-alike characters) is as wrong as an error in a rule that guards data.
  const seen = new Set<string>();
  const errors: ConfigError[] = [];
  for (const { policyId, error } of [...answer.validationErrors, ...answer.validationWarnings]) {
    const policy = byId.get(policyId);
    if (policy === undefined) throw new Error(`the validator names a policy that it was not given: ${policyId}`);
    // One mistake is reported once per action that it concerns, and an impossible scope by three warnings.
    const place = error.severity === 'warning' ? policyId : `${policyId} ${error.sourceLocations?.[0]?.start ?? 0}`;
    if (seen.has(place)) continue;
    seen.add(place).add(policyId);
    errors.push(cedarError(policy.source, error, 'see the action and entity names in the schema that `sallyport config schema` prints'));
  }
  return errors;
}

function cedarError(source: PolicySource, error: DetailedError, fix: string): ConfigError {
  const where = error.sourceLocations?.[0];
  const at = positionOfByte(source, where?.start ?? 0);
  const expected = where?.label === undefined || where.label === null ? '' : ` (${where.label})`;
  const message = error.message.replace(/^for policy `[^`]*`, |^failed to parse policy from string: /, '');
  return { file: source.file, ...at, message: `${message}${expected}`, fix: error.help ?? fix };
}
