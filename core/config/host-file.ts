/** A target of `sallyport.yaml` that is a host. */
import type { Budget, HostCredentialRef, HostLimits, SshTarget, TargetLimits } from '../target.ts';
import { readSecretReference } from './database-file.ts';
import { DEFAULT_MAX_CHANNELS } from './limits.ts';
import { readLimits } from './limits-file.ts';
import type { HostFile } from './sallyport-shape.ts';
import { parseRange } from '../ssh/address-range.ts';
import { pinnedFingerprint } from './ssh-public-key.ts';
import type { Refuse, YamlPath } from './yaml-file.ts';

const DEFAULT_ENVIRONMENT: readonly string[] = ['LANG', 'LC_*', 'TZ'];
/** A command line that is longer is a program in disguise. */
const MAX_COMMAND_BYTES = 65_536;

/**
 * Variables by which shells, loaders and interpreters find or run code. The list is of what is known to be wrong, so that a mistake
 * is named; what no list holds is still only what somebody has written down for this target.
 */
const RUNS_CODE =
  /^(?:PATH|IFS|ENV|BASH_.*|SHELL.*|PS[0-4]|PROMPT_COMMAND|HOME|CDPATH|LD_.*|DYLD_.*|GCONV_PATH|NLSPATH|LOCPATH|HOSTALIASES|TERMINFO.*|TERMCAP|EDITOR|VISUAL|PAGER|MANPAGER|LESS.*|BROWSER|GIT_.*|SSH_.*|PYTHON.*|PERL.*|RUBY.*|NODE_.*|JAVA_.*|_JAVA_.*|JDK_.*|LUA_.*|PHP.*|TCL.*|GEM_.*|BUNDLE_.*|NPM_.*|RSYNC_.*|TAR_OPTIONS|GREP_OPTIONS|GZIP|ZIPOPT|XDG_.*|SUDO_.*|SALLYPORT_.*)$/;

/** What the host does not say itself is as in `limits` and `recordRows`. */
export function readHost(raw: HostFile, limits: TargetLimits, recordRows: 'rows' | 'digest', path: YamlPath, refuse: Refuse): SshTarget {
  const [first = '', ...others] = raw.accounts;
  const hostKeys = raw.hostKeys.map((text, i) => {
    const pinned = pinnedFingerprint(text);
    if (pinned === undefined) {
      refuse(
        [...path, 'hostKeys', i],
        'it is neither a public key nor a fingerprint',
        'write SHA256:… as ssh-keygen -l prints it, or the key as in its .pub file',
      );
    }
    return pinned ?? '';
  });
  const environment = raw.environment ?? DEFAULT_ENVIRONMENT;
  environment.forEach((name, i) => {
    if (mayRunCode(name))
      refuse(
        [...path, 'environment', i],
        `\`${name}\` changes what a command runs`,
        'remove it: the command itself can say so, and is judged',
      );
  });
  raw.sourceAddresses?.forEach((range, i) => {
    if (parseRange(range) === undefined)
      refuse(
        [...path, 'sourceAddresses', i],
        'it is neither an address nor a range of addresses',
        'write 10.1.2.3, 10.1.0.0/16 or 2001:db8::/48',
      );
  });
  return {
    kind: 'ssh',
    name: raw.name,
    host: raw.host,
    port: raw.port ?? 22,
    accounts: [first, ...others],
    hostKeys: [...new Set(hostKeys)],
    credential: readHostCredential(raw, path, refuse),
    ...(raw.assume === undefined ? {} : { assume: raw.assume }),
    ...(raw.instanceId === undefined ? {} : { instanceId: raw.instanceId }),
    ...(raw.sourceAddresses === undefined ? {} : { sourceAddresses: raw.sourceAddresses }),
    shell: raw.shell ?? 'posix',
    environment,
    limits: readHostLimits(raw, limits, path, refuse),
    recordContent: raw.recordContent ?? recordRows,
    detectors: [],
    blockFindings: raw.blockFindings ?? 'read',
  };
}

/** `LC_*` may not stand for a name that runs code either. */
function mayRunCode(name: string): boolean {
  if (!name.endsWith('*')) return RUNS_CODE.test(name);
  const start = name.slice(0, -1);
  return !/^(?:LC_|[A-Z0-9_]{3,}_)$/.test(start) || RUNS_CODE.test(`${start}X`);
}

function readHostCredential(raw: HostFile, path: YamlPath, refuse: Refuse): HostCredentialRef {
  const { credential: text, assume, instanceId } = raw;
  const credential: HostCredentialRef | undefined =
    text === 'sshCa' ? { kind: 'sshCa' } : text === 'instanceConnect' ? { kind: 'instanceConnect' } : readSecretReference(text);
  if (credential === undefined) {
    // The value itself is not repeated: it may be the key that someone wrote down by mistake.
    refuse(
      [...path, 'credential'],
      'the credential is no reference',
      'write env:NAME, file:PATH, secretsManager:ARN, sshCa or instanceConnect; never the secret',
    );
    return { kind: 'sshCa' };
  }
  if (assume !== undefined && credential.kind !== 'secretsManager' && credential.kind !== 'instanceConnect') {
    refuse(
      [...path, 'assume'],
      `a role is assumed for secretsManager and instanceConnect only, not for ${credential.kind}`,
      'remove it, or change the credential',
    );
  }
  if (raw.sourceAddresses !== undefined && credential.kind !== 'sshCa')
    refuse([...path, 'sourceAddresses'], `${credential.kind} has no certificate that could say them`, 'remove them, or use sshCa');
  if ((credential.kind === 'instanceConnect') !== (instanceId !== undefined)) {
    refuse(
      [...path, instanceId === undefined ? 'credential' : 'instanceId'],
      instanceId === undefined
        ? 'instanceConnect pushes its key to an instance, and none is named'
        : `${credential.kind} names no instance`,
      instanceId === undefined ? 'add `instanceId`' : 'remove it, or use instanceConnect',
    );
  }
  return credential;
}

function readHostLimits(raw: HostFile, defaults: TargetLimits, path: YamlPath, refuse: Refuse): HostLimits {
  const { maxRows: _, budgets, maxStatementBytes, ...limits } = readLimits(raw.limits ?? {}, defaults, [...path, 'limits'], refuse);
  return {
    ...limits,
    // A host releases no rows and answers no look-ups: limits of all targets may still speak of them.
    budgets: budgets.filter(({ measure }: Budget) => measure === 'bytes' || measure === 'statements'),
    maxStatementBytes: Math.min(maxStatementBytes, MAX_COMMAND_BYTES),
    maxChannels: raw.limits?.maxChannels ?? DEFAULT_MAX_CHANNELS,
  };
}
