/** What a policy speaks of, read from Cedar's own JSON form of it. Every answer errs on the side of "it does". */
import type { PolicyJson } from './cedar.ts';

export type EntityName = { readonly type: string; readonly id: string };

/** `positive`: needs approval to hold; `negative`: needs its absence; `unclear`: anything but a plain `context has approval`. */
export type ApprovalUse = 'none' | 'positive' | 'negative' | 'unclear';

/** Attributes of a variable that the conditions read; `all` when it is used in any other way. */
export type AttributesRead = ReadonlySet<string> | 'all';

/** How `context has approval` stands in the conditions, `unless` and `!` counted. */
export function approvalUse(policy: PolicyJson): ApprovalUse {
  const uses = new Set<ApprovalUse>();
  for (const clause of policy.conditions) walkPolarity(clause.body, clause.kind === 'when' ? 'positive' : 'negative', uses);
  if (uses.size > 1) return 'unclear';
  return [...uses][0] ?? 'none';
}

/** Whether the conditions cannot hold without an approval, so that what `@approvers` promises a reader is true in every case. */
export function cannotHoldWithoutApproval(policy: PolicyJson): boolean {
  return policy.conditions.some((clause) => isNecessary(clause.body, clause.kind === 'when'));
}

/** Every entity that the scope or the conditions name, actions too. */
export function entitiesNamed(policy: PolicyJson): readonly EntityName[] {
  const found: EntityName[] = [];
  walk([policy.principal, policy.action, policy.resource, policy.conditions], (node) => {
    if (typeof node['type'] === 'string' && typeof node['id'] === 'string') found.push({ type: node['type'], id: node['id'] });
  });
  return found;
}

/** Which attributes of `context` or `principal` the conditions read. */
export function attributesRead(policy: PolicyJson, variable: 'context' | 'principal'): AttributesRead {
  const read = new Set<string>();
  let others = 0;
  walk(policy.conditions, (node) => {
    const access = attributeAccess(node, variable);
    if (access !== undefined) {
      read.add(access);
      others -= 1;
    }
    if (node['Var'] === variable) others += 1;
  });
  return others > 0 ? 'all' : read;
}

/**
 * Whether a request on a column can have another answer than the same request on its table. It cannot when resources
 * are only ever placed by `in` below something that is no column: a column's ancestors are its table and the table's
 * own ancestors, and `in` is reflexive. `==`, `is`, and any other use of `resource` tell the two apart.
 */
export function distinguishesColumns(policy: PolicyJson): boolean {
  const scope = policy.resource;
  if (scope.op !== 'All' && scope.op !== 'in') return true;
  if (policy.conditions.length > 0 && JSON.stringify(policy.conditions).includes('{"Var":"resource"}')) return true;
  return entitiesNamed(policy).some((entity) => entity.type === 'Column');
}

type Node = Readonly<Record<string, unknown>>;

function attributeAccess(node: Node, variable: string): string | undefined {
  for (const operator of ['.', 'has']) {
    const access = node[operator];
    if (!isNode(access) || !isNode(access['left']) || access['left']['Var'] !== variable) continue;
    const attribute: unknown = Array.isArray(access['attr']) ? access['attr'][0] : access['attr'];
    if (typeof attribute === 'string') return attribute;
  }
  return undefined;
}

/** Whether `node` being `wanted` implies that there is an approval. */
function isNecessary(node: unknown, wanted: boolean): boolean {
  if (!isNode(node)) return false;
  if (attributeAccess(node, 'context') === 'approval') return wanted;
  const not = node['!'];
  if (isNode(not)) return isNecessary(not['arg'], !wanted);
  for (const operator of ['&&', '||']) {
    const sides = node[operator];
    if (!isNode(sides)) continue;
    const implied = [sides['left'], sides['right']].map((side) => isNecessary(side, wanted));
    // A conjunction that holds, and a disjunction that fails, tell something of both sides.
    return (operator === '&&') === wanted ? implied.includes(true) : !implied.includes(false);
  }
  return false;
}

function walkPolarity(node: unknown, polarity: 'positive' | 'negative', uses: Set<ApprovalUse>): void {
  if (!isNode(node)) return;
  const has = node['has'];
  if (isNode(has) && has['attr'] === 'approval' && isNode(has['left']) && has['left']['Var'] === 'context') {
    uses.add(polarity);
    return;
  }
  const not = node['!'];
  if (isNode(not)) return walkPolarity(not['arg'], polarity === 'positive' ? 'negative' : 'positive', uses);
  for (const operator of ['&&', '||']) {
    const sides = node[operator];
    if (!isNode(sides)) continue;
    walkPolarity(sides['left'], polarity, uses);
    walkPolarity(sides['right'], polarity, uses);
    return;
  }
  // Below any other operator (comparison, if-then-else, attribute access) approval could mean either.
  if (mentionsApproval(node)) uses.add('unclear');
}

function mentionsApproval(node: Node): boolean {
  let found = false;
  walk(node, (inner) => {
    if (attributeAccess(inner, 'context') === 'approval') found = true;
    // The context as a whole holds the approval too: `context == …`.
    for (const value of Object.values(inner))
      if (isNode(value) && value['Var'] === 'context' && !('left' in inner && 'attr' in inner)) found = true;
  });
  return found;
}

function walk(node: unknown, visit: (node: Node) => void): void {
  if (Array.isArray(node)) for (const item of node) walk(item, visit);
  else if (isNode(node)) {
    visit(node);
    for (const value of Object.values(node)) walk(value, visit);
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
