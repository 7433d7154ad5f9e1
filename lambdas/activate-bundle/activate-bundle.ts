/** Puts a published bundle in force: by another person than the one who published it, and only if its own cases pass. */
import { buildBundle } from '../../core/config/build-bundle.ts';
import type { InForce } from '../../core/config/bundle-in-force.ts';
import { bundleSigner, signInDemand, type SignInDemand } from '../../core/config/bundle-signers.ts';
import type { Config } from '../../core/config/config.ts';
import { activationText, BundleRefused, filesDigest, isBundleVersion, type PublishedBundle } from '../../core/config/published-bundle.ts';
import { personKey } from '../../core/identity/person-key.ts';
import { createHostExplainer } from '../../core/judging/explain-operation.ts';
import { needsCatalog, runCase, type CaseExplainers, type CaseOutcome } from '../../core/judging/run-cases.ts';
import type { ExecReader } from '../../core/statement/host/host-reading.ts';
import { loadExecReader } from '../../core/statement/host/read-exec.ts';
import { findHost } from '../../core/target.ts';
import type { ActivatePorts } from './ports.ts';

export type ActivateRequest = {
  readonly version: string;
  /** Issued to the activator for this version; without it the answer says what is at stake and where to get one. */
  readonly idToken?: string;
};

export type FileChange = { readonly path: string; readonly change: 'added' | 'removed' | 'changed' };

/** Cases that ran, and those whose SQL needs a catalog: they run with `sallyport policy test`, before a bundle is published. */
export type CaseCounts = { readonly passed: number; readonly needCatalog: number };

export type ActivateAnswer =
  | {
      readonly kind: 'sign-in';
      readonly version: string;
      readonly publishedBy: string;
      readonly publishedAtMs: number;
      /** The version that it would replace. */
      readonly replaces?: string;
      readonly changes: readonly FileChange[];
      readonly cases: CaseCounts;
      readonly signIn: SignInDemand;
    }
  | { readonly kind: 'cases-failed'; readonly version: string; readonly failed: readonly CaseOutcome[] }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'activated'; readonly version: string; readonly activatedBy: string; readonly replaced?: string };

/** Every refusal is a value. Throws where the table or the bucket cannot be trusted, and what the ports throw. */
export async function activateBundle(ports: ActivatePorts, request: ActivateRequest): Promise<ActivateAnswer> {
  const { version, idToken } = request;
  if (!isBundleVersion(version)) return { kind: 'refused', reason: `"${version.slice(0, 64)}" is no version of a bundle` };
  const inForce = await ports.inForce();
  const opened = await openOrRefusal(ports, version);
  if ('reason' in opened) return { kind: 'refused', reason: opened.reason };
  const { bundle: published, config } = opened;
  if (inForce?.pointer.version === version) return { kind: 'activated', version, activatedBy: inForce.pointer.activatedBy };

  const { failed, counts } = await runCases(config);
  if (failed.length > 0) return { kind: 'cases-failed', version, failed };

  // Whose word counts is said by the bundle in force. Only the first one must speak for itself: the deployer published it.
  const trusted = inForce?.config ?? config;
  const v = inForce?.v ?? 0;
  const signIn = signInDemand(trusted, 'activate', version, v);
  if (signIn === undefined) return { kind: 'refused', reason: 'no issuer has approverClientIds, so nobody can sign in to activate' };
  const replaces = inForce === undefined ? {} : { replaces: inForce.pointer.version };
  const { publishedBy, publishedAtMs } = published;
  if (idToken === undefined) {
    const changes = changedFiles(inForce?.published.files ?? {}, published.files);
    return { kind: 'sign-in', version, publishedBy, publishedAtMs, ...replaces, changes, cases: counts, signIn };
  }
  const signer = await bundleSigner(
    trusted,
    { step: 'activate', version, inForce: v, idToken, atMs: ports.now() },
    ports.verifier(trusted),
  );
  if (!signer.ok) return { kind: 'refused', reason: signer.reason };
  const activatedBy = signer.person.person;
  if (personKey(activatedBy) === personKey(publishedBy)) {
    return { kind: 'refused', reason: `${activatedBy} published ${version}: another person must activate it` };
  }
  return point(ports, published, activatedBy, inForce);
}

async function point(
  ports: ActivatePorts,
  { version, files }: PublishedBundle,
  activatedBy: string,
  inForce: InForce | undefined,
): Promise<ActivateAnswer> {
  // Tasks take no activation that is older than theirs, whatever the clocks of two functions say.
  const activatedAtMs = Math.max(ports.now(), (inForce?.pointer.activatedAtMs ?? 0) + 1);
  const unsigned = { version, digest: filesDigest(files), activatedBy, activatedAtMs };
  const signature = (await ports.sign(activationText(unsigned))).toString('base64');
  if ((await ports.point({ ...unsigned, signature }, inForce?.v ?? 0)) === 'conflict') {
    return { kind: 'refused', reason: 'another activation came first: look at what is in force now, and ask again' };
  }
  return { kind: 'activated', version, activatedBy, ...(inForce === undefined ? {} : { replaced: inForce.pointer.version }) };
}

async function openOrRefusal(
  ports: ActivatePorts,
  version: string,
): Promise<{ readonly bundle: PublishedBundle; readonly config: Config } | { readonly reason: string }> {
  try {
    return await ports.open(version);
  } catch (error) {
    if (error instanceof BundleRefused) return { reason: error.message };
    throw error;
  }
}

async function runCases(config: Config): Promise<{ readonly failed: readonly CaseOutcome[]; readonly counts: CaseCounts }> {
  const bundle = buildBundle(config);
  const runnable = config.cases.filter((one) => !needsCatalog(one));
  let reader: Promise<ExecReader> | undefined;
  const explainers: CaseExplainers = {
    database: () => Promise.resolve(undefined),
    host: async (name) => {
      const target = findHost(config.targets, name);
      return target === undefined ? undefined : createHostExplainer(bundle, target, await (reader ??= loadExecReader()));
    },
  };
  const outcomes = await Promise.all(runnable.map((one) => runCase(one, config, bundle, explainers)));
  const failed = outcomes.filter(({ problems }) => problems.length > 0);
  return { failed, counts: { passed: runnable.length - failed.length, needCatalog: config.cases.length - runnable.length } };
}

function changedFiles(before: Readonly<Record<string, string>>, after: Readonly<Record<string, string>>): readonly FileChange[] {
  const [old, now] = [new Map(Object.entries(before)), new Map(Object.entries(after))];
  return [...new Set([...old.keys(), ...now.keys()])].sort().flatMap((path): FileChange[] => {
    if (old.get(path) === now.get(path)) return [];
    return [{ path, change: !old.has(path) ? 'added' : now.has(path) ? 'changed' : 'removed' }];
  });
}
