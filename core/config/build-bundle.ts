/** From a checked configuration to what decides: the published bundle. */
import type { Bundle } from '../policy/bundle.ts';
import { createPolicySet } from '../policy/policy-set.ts';
import type { Config } from './config.ts';

/** Prepares the policies for decisions. A configuration that was read without errors always becomes a bundle. */
export function buildBundle(config: Config): Bundle {
  return { version: config.version, masks: config.masks, patterns: config.patterns, policies: createPolicySet(config.policies) };
}
