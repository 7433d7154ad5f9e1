/**
 * The second net of design §7: values that look sensitive wherever they stand. Every built-in works on bytes, reads each
 * byte a bounded number of times and allocates nothing until it finds something; own expressions run in RE2's automaton.
 */
import { SallyportError } from '../errors.ts';
import { scanCards, scanPhones, scanSsns } from './digit-detectors.ts';
import { ownExpression } from './own-expression.ts';
import type { Scan } from './scan.ts';
import { scanAwsKeys, scanEmails, scanIbans, scanJwts, scanPrivateKeys } from './token-detectors.ts';

/** `[start, end)` of the bytes scanned. */
export type Hit = { readonly start: number; readonly end: number; readonly detector: string };

export type Detector = { readonly name: string; readonly scan: Scan };

const BUILT_IN = {
  'us-ssn': scanSsns,
  'payment-card': scanCards,
  email: scanEmails,
  iban: scanIbans,
  'us-phone': scanPhones,
  'aws-access-key': scanAwsKeys,
  jwt: scanJwts,
  'private-key': scanPrivateKeys,
} as const satisfies Record<string, Scan>;

export type BuiltInDetector = keyof typeof BUILT_IN;
export const BUILT_IN_DETECTORS: readonly string[] = Object.keys(BUILT_IN);

export class BadDetector extends SallyportError {
  readonly code = 'bad-detector';
}

/** The detectors of one target, compiled once per bundle. */
export type DetectorSet = {
  readonly detectors: readonly Detector[];
  readonly names: ReadonlySet<string>;
  /** Whether an own expression is among them: those have no prefilter, so every text cell is scanned. */
  readonly hasOwn: boolean;
};

export const NO_DETECTORS: DetectorSet = { detectors: [], names: new Set(), hasOwn: false };

/** Throws BadDetector for an unknown name, a name used twice, or an expression that RE2 does not accept. */
export function compileDetectors(
  names: readonly string[],
  expressions: readonly { readonly name: string; readonly pattern: string }[] = [],
): DetectorSet {
  const detectors = new Map<string, Detector>();
  for (const name of names) {
    if (!isBuiltIn(name)) throw new BadDetector(`no detector is called ${name}; there are ${BUILT_IN_DETECTORS.join(', ')}`);
    detectors.set(name, { name, scan: BUILT_IN[name] });
  }
  for (const { name, pattern } of expressions) {
    if (!/^[a-z0-9][a-z0-9-]{0,39}$/.test(name)) throw new BadDetector(`the expression name ${name} is not lower-case words with dashes`);
    if (detectors.has(name) || isBuiltIn(name)) throw new BadDetector(`the detector name ${name} is used twice`);
    try {
      detectors.set(name, { name, scan: ownExpression(pattern) });
    } catch (cause) {
      throw new BadDetector(`the expression ${name} is not accepted (RE2 syntax: no look-around, no back-references)`, { cause });
    }
  }
  return { detectors: [...detectors.values()], names: new Set(detectors.keys()), hasOwn: expressions.length > 0 };
}

function isBuiltIn(name: string): name is BuiltInDetector {
  return Object.hasOwn(BUILT_IN, name);
}

/** All matches in order; overlapping ones become one, under the name of the first. */
export function findHits(set: DetectorSet, bytes: Buffer, start: number, end: number): readonly Hit[] {
  const hits: Hit[] = [];
  for (const { name, scan } of set.detectors) scan(bytes, start, end, (from, to) => hits.push({ start: from, end: to, detector: name }));
  return mergeHits(hits);
}

/** Hits of several detectors, each detector's in order, as `findHits` gives them. They are sorted in place. */
export function mergeHits(hits: Hit[]): readonly Hit[] {
  if (hits.length < 2) return hits;
  hits.sort((a, b) => a.start - b.start || b.end - a.end);
  const merged: Hit[] = [];
  for (const hit of hits) {
    const last = merged[merged.length - 1];
    if (last !== undefined && hit.start < last.end) merged[merged.length - 1] = { ...last, end: Math.max(last.end, hit.end) };
    else merged.push(hit);
  }
  return merged;
}

/** `[masked:us-ssn]`: what stands in place of a match. */
export function hitMask(hit: Hit): string {
  return `[masked:${hit.detector}]`;
}

/** The text with every match replaced: for recorded requests and for parameters that approvers read. */
export function redactText(text: string, set: DetectorSet): string {
  if (set.detectors.length === 0) return text;
  const bytes = Buffer.from(text);
  const hits = findHits(set, bytes, 0, bytes.length);
  if (hits.length === 0) return text;
  let redacted = '';
  let at = 0;
  for (const hit of hits) {
    redacted += bytes.toString('utf8', at, hit.start) + hitMask(hit);
    at = hit.end;
  }
  return redacted + bytes.toString('utf8', at);
}
