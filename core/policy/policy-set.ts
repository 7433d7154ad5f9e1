/** Decides statements with one set of checked policies, and remembers what it decided. */
import { createHash } from 'node:crypto';
import type { Decision } from '../decision.ts';
import { principalName, type PersonKey, type Principal } from '../principal.ts';
import { resourceName, type Action, type Effect, type Resource } from '../statement/effect.ts';
import { filesToldApart, namedFiles, withAllBelow, type NamedFiles } from './below-folders.ts';
import type { PolicyQuestion, PolicySet } from './bundle.ts';
import { cedarRequest, needsOf, type PolicyNeeds, type StatementFacts } from './cedar-request.ts';
import { combineDemands } from './demand.ts';
import { explainApprove, explainBlock, explainPermit, type JudgedEffect } from './explain.ts';
import { prepareJudge, type EffectJudge, type EffectJudgement } from './judge-effect.ts';
import { entitiesNamed } from './policy-shape.ts';
import type { Policy } from './policy.ts';
import { Recent } from './recent.ts';
import { isWellFormed } from './resource-id.ts';

/** Decisions and single judgements kept; about 10 MB when full. */
const CACHE_ENTRIES = 8_192;

/** Questions asked outside of any statement. */
const NO_FACTS: StatementFacts = {
  unbounded: false,
  fullExport: false,
  rows: 0,
  maskedColumns: [],
  opaque: false,
  inTransaction: false,
};

/** What is done to files; whoever writes to a login path is asked for that alone. */
const FILE_ACTIONS = [
  'readFile',
  'listFiles',
  'writeFile',
  'removeFile',
  'renameFile',
  'setAttributes',
  'writeLogin',
] as const satisfies readonly Action[];

/** Prepares checked policies (`readPolicies` without errors) for decisions. */
export function createPolicySet(policies: readonly Policy[]): PolicySet {
  return new CedarPolicySet(policies);
}

class CedarPolicySet implements PolicySet {
  readonly #policies: ReadonlyMap<string, Policy>;
  readonly #needs: PolicyNeeds;
  readonly #namedFiles: NamedFiles;
  readonly #judge: EffectJudge;
  readonly #decisions = new Recent<Decision>(CACHE_ENTRIES);
  readonly #judgements = new Recent<EffectJudgement>(CACHE_ENTRIES);
  // Principals and effects are immutable values, so that their keys can stay with them.
  readonly #principalKeys = new WeakMap<Principal, string>();
  readonly #effectsKeys = new WeakMap<readonly Effect[], string>();

  constructor(policies: readonly Policy[]) {
    this.#policies = new Map(policies.map((policy) => [policy.id, policy]));
    this.#needs = needsOf(policies);
    this.#namedFiles = namedFiles(policies.flatMap((policy) => entitiesNamed(policy.json)));
    const content = JSON.stringify(policies.map((policy) => [policy.id, policy.source.text]));
    this.#judge = prepareJudge(createHash('sha256').update(content).digest('hex'), this.#policies);
  }

  decide(question: PolicyQuestion): Decision {
    const { principal, target, effects, facts } = question;
    const key = `${this.#principalKey(principal)} ${JSON.stringify(target)} ${factsKey(facts)} ${this.#effectsKey(effects)}`;
    return this.#decisions.get(key, () => this.#decideAnew(question));
  }

  mayUseFiles(principal: Principal, target: string, account: string): Decision {
    const key = `files ${this.#principalKey(principal)} ${JSON.stringify([target, account])}`;
    return this.#decisions.get(key, () => this.#findFile(principal, target, account));
  }

  mayConnect(principal: Principal, target: string): Decision {
    const decision = this.#decideOne(principal, target, 'connect', { type: 'Target', path: [] });
    // A login cannot wait for people; config check refuses permits that would ask, and a forbid that asks forbids.
    return decision.kind === 'approve' ? { kind: 'block', policies: decision.policies, reason: decision.reason } : decision;
  }

  reveals(principal: Principal, target: string, column: Resource): boolean {
    return this.#decideOne(principal, target, 'reveal', column).kind === 'permit';
  }

  mayLookUp(principal: Principal, target: string, column: Resource): Decision {
    return this.#decideOne(principal, target, 'lookup', column);
  }

  authorsOf(policies: readonly string[]): readonly PersonKey[] {
    const authors = policies
      .map((id) => this.#policies.get(id))
      .flatMap((policy) => (policy?.demand && policy.author ? [policy.author] : []));
    return [...new Set(authors)].sort();
  }

  #findFile(principal: Principal, target: string, account: string): Decision {
    for (const action of FILE_ACTIONS) {
      for (const resource of filesToldApart(target, this.#namedFiles)) {
        const { kind, policies } = this.#judgement(principal, target, { action, resource }, { ...NO_FACTS, account });
        if (kind !== 'block') return { kind: 'permit', policies, reason: explainPermit(policies) };
      }
    }
    return { kind: 'block', policies: [], reason: `No policy permits any file of ${target}.` };
  }

  #decideOne(principal: Principal, target: string, action: Action, resource: Resource): Decision {
    return this.decide({ principal, target, effects: [{ action, resource }], facts: NO_FACTS });
  }

  #decideAnew({ principal, target, effects, facts }: PolicyQuestion): Decision {
    const all = withAllBelow(target, effects, facts.unbounded, this.#namedFiles);
    const judged = this.#distinct(all).map((effect) => ({ effect, judgement: this.#judgement(principal, target, effect, facts) }));
    const policies = [...new Set(judged.flatMap(({ judgement }) => judgement.policies))].sort();
    const blocked = judged.filter(({ judgement }) => judgement.kind === 'block');
    if (blocked.length > 0) return this.#block(target, blocked);

    const demandingIds = [...new Set(judged.flatMap(({ judgement }) => judgement.demanding))].sort();
    if (judged.every(({ judgement }) => judgement.kind === 'permit')) return { kind: 'permit', policies, reason: explainPermit(policies) };
    const demanding = demandingIds.flatMap((id) => this.#policies.get(id) ?? []);
    const demand = combineDemands(demanding.flatMap((policy) => policy.demand ?? []));
    // Unreachable while `prepareJudge` approves only on demand; a statement nobody can approve is not one that waits.
    if (demand === undefined) return { kind: 'block', policies, reason: 'Blocked: approval would be needed, but no policy says whose.' };
    return { kind: 'approve', policies, reason: explainApprove(demanding, demand), demand };
  }

  #block(target: string, blocked: readonly JudgedEffect[]): Decision {
    const policies = [...new Set(blocked.flatMap(({ judgement }) => judgement.policies))].sort();
    return { kind: 'block', policies, reason: explainBlock(target, blocked, this.#policies) };
  }

  #judgement(principal: Principal, target: string, effect: Effect, facts: StatementFacts): EffectJudgement {
    if (!isWellFormed(effect.resource))
      return { kind: 'block', policies: [], demanding: [], failure: 'the resource of an effect cannot be placed' };
    const request = cedarRequest(principal, target, effect, facts, this.#needs);
    // The key is the whole request but the approval, which both evaluations of one judgement supply themselves.
    return this.#judgements.get(JSON.stringify(request), () => this.#judge(request));
  }

  /** Effects that these policies can tell apart, in a stable order. */
  #distinct(effects: readonly Effect[]): readonly Effect[] {
    const distinct = new Map<string, Effect>();
    for (const effect of effects) {
      const judged = this.#asJudged(effect);
      distinct.set(exactKey(judged), judged);
    }
    return [...distinct].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, effect]) => effect);
  }

  /** A column is judged as its table when no policy can tell them apart; see `distinguishesColumns` for the proof. */
  #asJudged(effect: Effect): Effect {
    const { action, resource } = effect;
    if (resource.type !== 'Column' || this.#needs.columns || action === 'reveal' || action === 'lookup') return effect;
    if (!isWellFormed(resource)) return effect;
    return { ...effect, resource: { type: 'Table', path: resource.path.slice(0, 2) } };
  }

  #principalKey(principal: Principal): string {
    let key = this.#principalKeys.get(principal);
    if (key === undefined) {
      key = JSON.stringify([
        principalName(principal),
        principal.issuer,
        principal.human ?? null,
        principal.owner ?? null,
        principal.groups,
      ]);
      this.#principalKeys.set(principal, key);
    }
    return key;
  }

  #effectsKey(effects: readonly Effect[]): string {
    let key = this.#effectsKeys.get(effects);
    if (key === undefined) {
      key = JSON.stringify([...new Set(effects.map(exactKey))].sort());
      this.#effectsKeys.set(effects, key);
    }
    return key;
  }
}

function exactKey(effect: Effect): string {
  return JSON.stringify([effect.action, effect.resource.type, resourceName('', effect.resource), effect.via ?? null]);
}

function factsKey(facts: StatementFacts): string {
  const flags = (facts.unbounded ? 1 : 0) | (facts.fullExport ? 2 : 0) | (facts.opaque ? 4 : 0) | (facts.inTransaction ? 8 : 0);
  const { rows, maskedColumns, account } = facts;
  if (account !== undefined) return `${flags} ${rows} ${JSON.stringify([account, maskedColumns])}`;
  return maskedColumns.length === 0 ? `${flags} ${rows}` : `${flags} ${rows} ${JSON.stringify(maskedColumns)}`;
}
