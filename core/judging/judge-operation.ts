/** What policy says of an operation on a host: the same for the wire, for whoever stores a request, and for explanations. */
import type { Block, Decision } from '../decision.ts';
import type { Bundle, PolicyQuestion } from '../policy/bundle.ts';
import { explainPermit } from '../policy/explain.ts';
import type { Principal } from '../principal.ts';
import type { HostOperation } from '../statement/host/host-operation.ts';
import { opaqueExec, type HostReading, type ReadExec } from '../statement/host/host-reading.ts';
import { readOperation } from '../statement/host/read-operation.ts';
import type { SshTarget } from '../target.ts';

export type JudgedOperation = {
  readonly operation: HostOperation;
  readonly reading: HostReading;
  readonly facts: PolicyQuestion['facts'];
  readonly decision: Decision;
};

export type HostView = {
  readonly principal: Principal;
  readonly target: Pick<SshTarget, 'name' | 'accounts' | 'shell'>;
  readonly bundle: Pick<Bundle, 'policies'>;
};

/** Pure: equal operations in equal views have equal decisions. `readExec` reads command lines of hosts whose shell is `posix`. */
export function judgeOperation(operation: HostOperation, { principal, target, bundle }: HostView, readExec: ReadExec): JudgedOperation {
  const reading = readOperation(operation, target.shell === 'posix' ? readExec : opaqueExec);
  const facts = {
    unbounded: reading.unbounded,
    fullExport: false,
    rows: -1,
    maskedColumns: [],
    opaque: reading.opaque,
    inTransaction: false,
    account: operation.account,
  };
  const decision = target.accounts.includes(operation.account)
    ? withFiles(
        operation,
        { principal, target, bundle },
        withoutRowCap(bundle.policies.decide({ principal, target: target.name, effects: reading.effects, facts })),
      )
    : noSuchAccount(operation.account, target.name);
  return { operation, reading, facts, decision };
}

/** What an operation on a host touches is neither counted nor rolled back: a cap on rows that nobody keeps is none. */
function withoutRowCap(decision: Decision): Decision {
  if (decision.kind !== 'approve' || decision.demand.maxRows === undefined) return decision;
  const reason = 'Blocked: its approval is limited to a number of rows (@maxRows), which cannot be kept on a host.';
  return { kind: 'block', policies: decision.policies, reason };
}

/** A service for files starts where there is a file for it, and a session could be opened now. */
function withFiles(operation: HostOperation, { principal, target, bundle }: HostView, decision: Decision): Decision {
  if (operation.kind !== 'transfer' || decision.kind === 'block') return decision;
  if (decision.kind === 'approve') return { kind: 'block', policies: decision.policies, reason: decision.reason };
  const files = bundle.policies.mayUseFiles(principal, target.name, operation.account);
  const policies = [...new Set([...decision.policies, ...files.policies])].sort();
  return files.kind === 'permit' ? { ...decision, policies, reason: explainPermit(policies) } : files;
}

function noSuchAccount(account: string, target: string): Block {
  return { kind: 'block', policies: [], reason: `Blocked: "${account}" is none of the accounts of ${target}.` };
}
