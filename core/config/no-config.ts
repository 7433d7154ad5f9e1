import type { Config } from './config.ts';

/**
 * Before the first bundle is activated: no issuer, so that no token is accepted, and no policy, so that nothing is permitted. Its
 * version is that of no content.
 */
export const NO_CONFIG: Config = {
  version: 'b-0000000000000000',
  listeners: { postgres: { host: '127.0.0.1', port: 6432 }, api: { host: '127.0.0.1', port: 8080 } },
  issuers: [],
  agents: [],
  sshUserCas: [],
  approverGroups: new Map(),
  targets: [],
  recording: { retentionMs: 0 },
  policies: [],
  masks: [],
  patterns: [],
  cases: [],
};
