/** What `evaluate-policy` and `lookup-masking` answer at the start of a session, and how the proxy reads it. */
import { maskingPlan, planDigest } from '../masking/masking-plan.ts';
import { principalName, type Principal } from '../principal.ts';
import type { Bundle } from './bundle.ts';

/** Everything about a principal that a decision can depend on. */
export type JudgedPrincipal = Pick<Principal, 'issuer' | 'agent' | 'human' | 'owner' | 'groups'>;

export type ConnectAnswer =
  | {
      readonly kind: 'decided';
      readonly version: string;
      readonly principal: JudgedPrincipal;
      readonly decision: 'permit' | 'block';
      readonly policies: readonly string[];
      readonly reason: string;
    }
  | OtherVersion
  | TokenNotTaken;

export type MaskingAnswer =
  | {
      readonly kind: 'planned';
      readonly version: string;
      readonly principal: JudgedPrincipal;
      readonly target: string;
      /** Rules that apply, and how many of them policy lifts for this principal. */
      readonly rules: number;
      readonly revealed: number;
      /** `planDigest` of the whole plan. */
      readonly digest: string;
    }
  | OtherVersion
  | TokenNotTaken;

/** Another bundle is in force there: whoever asked is behind, or ahead, by a moment. */
export type OtherVersion = { readonly kind: 'other-version'; readonly version: string };
export type TokenNotTaken = { readonly kind: 'token-refused'; readonly reason: string };

export function connectAnswer(bundle: Bundle, principal: Principal, target: string): ConnectAnswer {
  const decision = bundle.policies.mayConnect(principal, target);
  return {
    kind: 'decided',
    version: bundle.version,
    principal: judged(principal),
    decision: decision.kind === 'permit' ? 'permit' : 'block',
    policies: decision.policies,
    reason: decision.reason,
  };
}

export function maskingAnswer(bundle: Bundle, principal: Principal, target: string): MaskingAnswer {
  const plan = maskingPlan(bundle, principal, target);
  return {
    kind: 'planned',
    version: bundle.version,
    principal: judged(principal),
    target,
    rules: plan.rules.length,
    revealed: plan.rules.filter(({ revealed }) => revealed).length,
    digest: planDigest(bundle.version, plan),
  };
}

function judged({ issuer, agent, human, owner, groups }: Principal): JudgedPrincipal {
  return { issuer, agent, ...(human === undefined ? {} : { human }), ...(owner === undefined ? {} : { owner }), groups };
}

/** Equal keys are the same principal for every decision. */
export function principalKey({ issuer, agent, human, owner, groups }: JudgedPrincipal): string {
  return JSON.stringify([principalName({ issuer, agent }), issuer, human ?? null, owner ?? null, groups]);
}

type Fields = Readonly<Record<string, unknown>>;

/** Undefined where the value is no answer. */
export function readConnectAnswer(value: unknown): ConnectAnswer | undefined {
  const fields = fieldsOf(value);
  const { decision, policies, reason, version } = fields;
  if (fields['kind'] !== 'decided') return readOther(fields);
  const principal = readPrincipal(fields['principal']);
  if (principal === undefined || !isTexts(policies) || typeof reason !== 'string' || typeof version !== 'string') return undefined;
  if (decision !== 'permit' && decision !== 'block') return undefined;
  return { kind: 'decided', version, principal, decision, policies, reason };
}

/** Undefined where the value is no answer. */
export function readMaskingAnswer(value: unknown): MaskingAnswer | undefined {
  const fields = fieldsOf(value);
  const { target, version, digest, rules, revealed } = fields;
  if (fields['kind'] !== 'planned') return readOther(fields);
  const principal = readPrincipal(fields['principal']);
  if (principal === undefined || typeof target !== 'string' || typeof version !== 'string' || typeof digest !== 'string') return undefined;
  if (typeof rules !== 'number' || typeof revealed !== 'number') return undefined;
  return { kind: 'planned', version, principal, target, rules, revealed, digest };
}

function readOther({ kind, version, reason }: Fields): OtherVersion | TokenNotTaken | undefined {
  if (kind === 'other-version' && typeof version === 'string') return { kind, version };
  return kind === 'token-refused' && typeof reason === 'string' ? { kind, reason } : undefined;
}

function readPrincipal(value: unknown): JudgedPrincipal | undefined {
  const { issuer, agent, human, owner, groups } = fieldsOf(value);
  if (typeof issuer !== 'string' || typeof agent !== 'string' || !isTexts(groups)) return undefined;
  if (!(human === undefined || typeof human === 'string') || !(owner === undefined || typeof owner === 'string')) return undefined;
  return { issuer, agent, ...(human === undefined ? {} : { human }), ...(owner === undefined ? {} : { owner }), groups };
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
