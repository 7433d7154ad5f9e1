/** Rules on top of Cedar's validator: approvals that can be asked for, names that exist, permits that say what they permit. */
import type { ConfigError } from '../config/config-error.ts';
import { expandAction } from './actions.ts';
import { approvalUse, cannotHoldWithoutApproval, entitiesNamed, type EntityName } from './policy-shape.ts';
import { positionOfText } from './policy-source.ts';
import type { Policy } from './policy.ts';
import { HOST_RESOURCE_TYPES, RESOURCE_TYPES } from '../statement/effect.ts';
import { parseResourceName } from './resource-id.ts';

/** What policies may name. */
export type KnownNames = {
  readonly targets: ReadonlySet<string>;
  /** Those of the targets that are hosts; absent: none is. */
  readonly hosts?: ReadonlySet<string>;
  readonly issuers: ReadonlySet<string>;
};

/** Every finding about one policy. */
export function checkPolicy(policy: Policy, known: KnownNames): readonly ConfigError[] {
  const errors: ConfigError[] = [];
  const refuse = (near: string, message: string, fix: string) =>
    void errors.push({ file: policy.source.file, ...positionOfText(policy.source, near), message, fix });

  checkApproval(policy, refuse);
  if (policy.effect === 'permit' && policy.json.action.op === 'All') {
    const fix =
      'name the actions, or write action in Action::"all"; `reveal`, `lookup`, `unknown`, `connect`, `openShell` and `forward` are permitted by name only';
    refuse('permit', 'a permit of every action would lift masks and let the unresolved pass', fix);
  }
  for (const entity of entitiesNamed(policy.json)) {
    const problem = unknownEntity(entity, known);
    if (problem !== undefined) refuse(`${entity.type}::`, problem.message, problem.fix);
  }
  return errors;
}

type Refuse = (near: string, message: string, fix: string) => void;

function checkApproval(policy: Policy, refuse: Refuse): void {
  const use = approvalUse(policy.json);
  const wanted = policy.effect === 'permit' ? 'positive' : 'negative';
  const condition = policy.effect === 'permit' ? 'when { context has approval }' : 'unless { context has approval }';
  if (use === 'none' && policy.demand !== undefined)
    refuse('@approvers', '@approvers without `context has approval`: nobody would be asked', `add ${condition} or remove @approvers`);
  if (use !== 'none' && policy.demand === undefined)
    refuse('approval', '`context has approval` without @approvers: nobody could answer', 'add @approvers("group")');
  if (use !== 'none' && use !== wanted) {
    const message = `a ${policy.effect} may use approval only as \`${condition}\`, joined by && and ||`;
    refuse('approval', message, 'split the policy so that approval stands in a condition of its own');
  }
  if (use === 'positive' && policy.effect === 'permit' && !cannotHoldWithoutApproval(policy.json)) {
    const fix = 'put what needs no approval into a permit of its own, without @approvers';
    refuse('approval', 'the policy names approvers, but permits without them in some cases', fix);
  }
  if (use === 'none') return;
  // A login cannot wait for people, and rows are masked before anyone could be asked.
  for (const action of ['connect', 'reveal'] as const) {
    if (policy.effect === 'permit' && actionsOf(policy).includes(action))
      refuse('Action::', `\`${action}\` cannot wait for an approval`, `permit or forbid \`${action}\` in a policy of its own`);
  }
}

function actionsOf(policy: Policy): readonly string[] {
  const scope = policy.json.action;
  if (scope.op === 'All') return [];
  const named = entitiesNamed({ ...policy.json, principal: { op: 'All' }, resource: { op: 'All' }, conditions: [] });
  return named.flatMap((entity) => expandAction(entity.id));
}

function unknownEntity(entity: EntityName, known: KnownNames): { message: string; fix: string } | undefined {
  if (entity.type === 'Action') {
    if (expandAction(entity.id).length > 0) return undefined;
    return { message: `unknown action \`${entity.id}\``, fix: 'use an action or an action group of the schema' };
  }
  if (entity.type === 'Group' || entity.type === 'Agent') {
    const issuer = entity.id.slice(0, Math.max(0, entity.id.indexOf('/')));
    if (known.issuers.has(issuer)) return undefined;
    const message = `${entity.type}::"${entity.id}" names no configured issuer`;
    return { message, fix: `write it as "issuer/name" with one of ${quoteAll(known.issuers)}` };
  }
  const type = RESOURCE_TYPES.find((one) => one === entity.type);
  if (type === undefined) return { message: `unknown entity type \`${entity.type}\``, fix: 'use a type of the schema' };
  const name = `${entity.type}::"${entity.id}"`;
  const found = parseResourceName(type, entity.id);
  if (found === undefined) return { message: `${name} is no name of a ${type}`, fix: `write ${NAME_FORMS[type]}` };
  if (!known.targets.has(found.target))
    return { message: `${name} is on no configured target`, fix: `start it with one of ${quoteAll(known.targets)}, or add the target` };
  // A rule on what a target cannot have would match nothing, and look as if it did.
  const isHost = known.hosts?.has(found.target) === true;
  if (type !== 'Target' && isHost !== HOST_RESOURCE_TYPES.has(type)) {
    const kind = isHost ? 'a host' : 'a database';
    return { message: `${name}: \`${found.target}\` is ${kind}, which has no ${type}`, fix: 'name another target, or another type' };
  }
  return undefined;
}

const QUOTED = ', with parts other than letters, digits, _, $ and - quoted as in SQL';
const NAME_FORMS: Readonly<Record<(typeof RESOURCE_TYPES)[number], string>> = {
  Target: `"target"${QUOTED}`,
  Schema: `"target.schema"${QUOTED}`,
  Table: `"target.schema.table"${QUOTED}`,
  Function: `"target.schema.function"${QUOTED}`,
  Column: `"target.schema.table.column"${QUOTED}`,
  Program: '"target:program" or "target:/path/of/program"',
  File: '"target:/path" without `.`, `..`, links or a slash at the end',
  Repository: '"target:/path/of/repository"',
  Ref: '"target:/path/of/repository#refs/heads/main"',
  Endpoint: '"target:host:port" or "target:/path/of/socket"',
};

function quoteAll(names: ReadonlySet<string>): string {
  return names.size === 0 ? 'those in sallyport.yaml (there are none)' : [...names].map((name) => `\`${name}\``).join(', ');
}
