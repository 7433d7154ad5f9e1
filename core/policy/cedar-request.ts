/** One Cedar request: the smallest slice of entities and context that these policies can tell apart. */
import type { CedarValueJson, Context, EntityJson, StatefulAuthorizationCall } from './cedar.ts';
import { principalName, type Principal } from '../principal.ts';
import type { Effect } from '../statement/effect.ts';
import { groupsOf } from './actions.ts';
import type { PolicyQuestion } from './bundle.ts';
import { attributesRead, distinguishesColumns, entitiesNamed, type AttributesRead } from './policy-shape.ts';
import type { Policy } from './policy.ts';
import { resourceAncestors, resourceEntity, type EntityId } from './resource-id.ts';

export type StatementFacts = PolicyQuestion['facts'];

/**
 * What a policy set can tell apart; the rest is left out of requests, which makes them small and their answers shared.
 * Policies know an entity only by the names they spell out (nothing turns an id into a string, and no attribute holds an
 * entity), so that two entities which none of them names, in the same named groups, have the same answers.
 */
export type PolicyNeeds = {
  /** `Group::corp/analysts`: every entity that a policy spells out. */
  readonly named: ReadonlySet<string> | 'all';
  readonly context: AttributesRead;
  readonly principal: AttributesRead;
  /** Whether a column can be judged otherwise than its table. */
  readonly columns: boolean;
};

/** A request without its approval: `context` and everything that decides. */
export type CedarRequest = Omit<StatefulAuthorizationCall, 'preparsedPolicySetId'>;

/** Unknown estimates count as the largest number, so that no rule takes "unknown" for "few". */
const UNKNOWN_ROWS = Number.MAX_SAFE_INTEGER;

/** Everything that any of these policies reads. */
export function needsOf(policies: readonly Pick<Policy, 'json' | 'demand'>[]): PolicyNeeds {
  return {
    context: union(policies.map((policy) => attributesRead(policy.json, 'context'))),
    principal: union(policies.map((policy) => attributesRead(policy.json, 'principal'))),
    named: new Set(policies.flatMap((policy) => entitiesNamed(policy.json).map(entityKey))),
    columns: policies.some((policy) => distinguishesColumns(policy.json)),
  };
}

/** Builds the request for one effect. With needs of `all`, it is valid by the schema to the last attribute. */
export function cedarRequest(
  principal: Principal,
  target: string,
  effect: Effect,
  facts: StatementFacts,
  needs: PolicyNeeds,
): CedarRequest {
  const named = (entity: EntityId): boolean => needs.named === 'all' || needs.named.has(entityKey(entity));
  // An entity that no policy names is any of its kind. No configured entity has the empty name.
  const anyOf = (entity: EntityId): EntityId => (named(entity) ? entity : { type: entity.type, id: '' });

  const agent = anyOf({ type: 'Agent', id: principalName(principal) });
  const action = { type: 'Action', id: effect.action };
  const resource = anyOf(resourceEntity(target, effect.resource));
  const groups = principal.groups.map((group) => ({ type: 'Group', id: group })).filter(named);
  const actionGroups = groupsOf(effect.action)
    .map((group) => ({ type: 'Action', id: group }))
    .filter(named);
  const attributes = {
    issuer: principal.issuer,
    ...(principal.human === undefined ? {} : { human: principal.human }),
    ...(principal.owner === undefined ? {} : { owner: principal.owner }),
  };
  // Parents are given as all ancestors at once: their own entities, which hold nothing else, can stay away.
  const entities: EntityJson[] = [
    { uid: agent, attrs: keep(attributes, needs.principal), parents: groups },
    { uid: resource, attrs: {}, parents: resourceAncestors(target, effect.resource).filter(named) },
  ];
  if (actionGroups.length > 0) entities.push({ uid: action, attrs: {}, parents: actionGroups });
  return { principal: agent, action, resource, context: contextOf(effect, facts, needs.context), validateRequest: false, entities };
}

function entityKey(entity: EntityId): string {
  return `${entity.type}::${entity.id}`;
}

/** The same request once people have approved. */
export function withApproval(request: CedarRequest): CedarRequest {
  return { ...request, context: { ...request.context, approval: {} } };
}

function contextOf(effect: Effect, facts: StatementFacts, needed: AttributesRead): Context {
  const rows = Number.isFinite(facts.rows) && facts.rows >= 0 ? Math.min(Math.ceil(facts.rows), UNKNOWN_ROWS) : UNKNOWN_ROWS;
  const all: Record<string, CedarValueJson> = {
    unbounded: facts.unbounded,
    fullExport: facts.fullExport,
    rows,
    opaque: facts.opaque,
    inTransaction: facts.inTransaction,
    maskedColumns: [...new Set(facts.maskedColumns)].sort(),
    ...(facts.account === undefined ? {} : { account: facts.account }),
    ...(effect.via === undefined ? {} : { via: effect.via }),
  };
  return keep(all, needed);
}

function keep<T>(record: Readonly<Record<string, T>>, needed: AttributesRead): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter(([name]) => needed === 'all' || needed.has(name)));
}

function union(all: readonly AttributesRead[]): AttributesRead {
  const names = new Set<string>();
  for (const one of all) {
    if (one === 'all') return 'all';
    for (const name of one) names.add(name);
  }
  return names;
}
