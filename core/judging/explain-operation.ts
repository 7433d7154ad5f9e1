/** What would become of a command on a host, without the host: for `policy explain`, `policy test` and dry runs. */
import { FOLDER_ONLY } from '../statement/host/command/reading.ts';
import { explainPermit } from '../policy/explain.ts';
import type { Bundle } from '../policy/bundle.ts';
import type { Principal } from '../principal.ts';
import { resourceName } from '../statement/effect.ts';
import type { HostPath, PatternMatches } from '../statement/host/host-operation.ts';
import type { ExecReader } from '../statement/host/host-reading.ts';
import type { SshTarget } from '../target.ts';
import type { Explanation } from './explain-statement.ts';
import { judgeOperation } from './judge-operation.ts';

/** `account`: absent: the host's first; `home`: absent: where such accounts usually have it. */
export type CommandLine = { readonly command: string; readonly account?: string; readonly home?: HostPath };

/** Without the host nothing is known of its names. */
const NO_MATCHES: ReadonlyMap<string, PatternMatches> = new Map();

export type HostExplainer = (principal: Principal, line: CommandLine) => Explanation;

/** Prepares explanations on one host. */
export function createHostExplainer(bundle: Bundle, target: SshTarget, reader: ExecReader): HostExplainer {
  return (principal, { command, account = target.accounts[0], home = usualHome(account) }) => {
    const resolved = new Map(
      reader
        .pathsOf(command, home, NO_MATCHES)
        .filter((path) => !path.endsWith(FOLDER_ONLY))
        .map((path) => [path, withoutDots(path)]),
    );
    const operation = { kind: 'exec', command, account, home, resolved } as const;
    const { reading, facts, decision } = judgeOperation(operation, { principal, target, bundle }, reader.read);
    const { account: _, ...shown } = facts;
    const about = {
      effects: reading.effects.map(({ action, resource, via }) => ({
        action,
        type: resource.type,
        resource: resourceName(target.name, resource),
        ...(via === undefined ? {} : { via }),
      })),
      facts: shown,
      masked: [],
      paths: 'as-written' as const,
      policies: decision.policies,
    };
    switch (decision.kind) {
      case 'permit':
        return { decision: 'permit', ...about, reason: explainPermit(decision.policies) };
      case 'approve':
        return { decision: 'approve', code: 'ZG001', ...about, reason: decision.reason, demand: decision.demand };
      case 'block':
        return { decision: 'block', code: 'ZG010', ...about, reason: decision.reason };
    }
  };
}

function usualHome(account: string): HostPath {
  return account === 'root' ? '/root' : `/home/${account}`;
}

/** As the host would spell it if nothing on the way were a link. */
function withoutDots(path: string): HostPath {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}
