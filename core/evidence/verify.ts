/**
 * Says of a body of evidence, separately, whether it is intact (nothing changed) and complete (nothing missing). Needs
 * nothing but the bytes: no network, no trust in the program that wrote them. It reads all of it once, in memory that grows
 * with the number of recordings, not with their size.
 */
import { type Checkpoint, parseCheckpoint, type TrustedKey, trustedKey } from './checkpoint.ts';
import { type Finding, Findings } from './findings.ts';
import { FORMAT_PATH, FORMAT_TEXT, keyPath, placeOf, writerPath } from './layout.ts';
import { type EvidenceSource, readWhole } from './source.ts';
import type { LostContent } from './spine.ts';
import { SpineLedger } from './spine-ledger.ts';
import { noteSpineFile, type SpineFiles } from './read-spine.ts';
import { type PresentRecording, RecordingCheck } from './verify-recordings.ts';
import { type SizedFile, SpineCheck } from './verify-spines.ts';

export type VerifyOptions = {
  /** Fingerprints of the only keys that may have signed, kept elsewhere. */
  readonly pinned?: readonly string[];
  /** Public keys in PEM that are pinned the same way, for evidence whose own key files are not to be believed. */
  readonly pinnedPems?: readonly string[];
  /** A checkpoint kept elsewhere, as its file's text. */
  readonly checkpoint?: string;
  readonly progress?: (doneBytes: number, totalBytes: number) => void;
};

export type Verification = {
  readonly intact: boolean;
  readonly complete: boolean;
  /** The first thousand, in the order of reading. */
  readonly findings: readonly Finding[];
  readonly findingCount: number;
  /** What is no failure and yet must be known. */
  readonly notes: readonly string[];
  readonly recordings: number;
  readonly open: readonly string[];
  /** `lost` is content that was released and recorded by its hash, and died with its writer. */
  readonly abnormal: readonly { readonly session: string; readonly reason: string; readonly lost?: LostContent }[];
  /** Batches of open recordings that their writers still keep outside of this evidence. */
  readonly pending: number;
  readonly writers: number;
  readonly openWriters: readonly string[];
  readonly refusals: number;
  readonly batches: number;
  readonly events: number;
  readonly bytes: number;
  readonly leaves: number;
  /** Batches of spines that no checkpoint is over yet. */
  readonly uncovered: number;
  readonly newestCheckpoint: { readonly path: string; readonly origin: string; readonly size: number; readonly root: string } | undefined;
  /** Whether the keys came from outside. */
  readonly keysPinned: boolean;
  readonly keys: readonly string[];
};

/** The clock of a store, against that of the sealer which uses it. */
const SKEW_MS = 60_000;

type Inventory = {
  readonly keys: string[];
  readonly writers: Map<string, SpineFiles>;
  readonly recordings: Map<string, PresentRecording>;
  readonly leaves: SizedFile[];
  readonly checkpoints: SizedFile[];
  readonly totalBytes: number;
};

/** Reads everything below the root of `source`. Throws only what the source throws. */
export async function verifyEvidence(source: EvidenceSource, options: VerifyOptions = {}): Promise<Verification> {
  const findings = new Findings();
  const notes: string[] = [];
  const ledger = new SpineLedger();
  const found = await takeInventory(source, findings, notes);
  const format = await readWhole(source, FORMAT_PATH, findings);
  if (format === undefined) findings.notComplete(FORMAT_PATH, 'the file is missing');
  else if (format.toString('latin1') !== FORMAT_TEXT) findings.notIntact(FORMAT_PATH, 'the file is not that of this format');
  const { keys, keysPinned } = await trustedKeys(source, found.keys, options, findings);
  const kept = keptCheckpoint(options.checkpoint, findings);
  const spines = await new SpineCheck({ source, findings, ledger, keys, kept }).run(
    [...found.writers].toSorted(([a], [b]) => (a < b ? -1 : 1)),
    found.leaves,
    found.checkpoints,
  );
  for (const key of ledger.keys) {
    if (!found.keys.includes(key)) findings.notComplete(keyPath(key), 'the key file is missing: a writer seals with this key');
    if (keysPinned && !keys.some(({ fingerprint }) => fingerprint === key))
      findings.notIntact(keyPath(key), 'a writer seals with a key that is not pinned');
  }
  if (keys.length === 0 && found.checkpoints.length > 0) findings.notComplete('keys', 'no key is there: nobody can tell who signed');
  let doneBytes = 0;
  const { openWriters } = spines;
  const check = new RecordingCheck({
    source,
    findings,
    ledger,
    openWriters,
    note: (text) => void notes.push(text),
    progress: (bytes) => {
      doneBytes += bytes;
      options.progress?.(doneBytes, found.totalBytes);
    },
  });
  for (const [writer, commit] of ledger.brokenJournals) {
    findings.notComplete(writerPath(writer), `its journal is broken at commit ${commit}: nothing from there on was sealed`);
  }
  const isNewer = (modifiedMs: number): boolean => ledger.sealedAtMs !== undefined && modifiedMs > ledger.sealedAtMs - SKEW_MS;
  let newer = 0;
  for (const recording of ledger.recordings.values()) {
    const present = found.recordings.get(placeKey(recording.day, recording.session));
    const early = present !== undefined && present.torn.length > 0 && recording.end === undefined && isNewer(present.tornMs);
    if (early) newer += 1;
    await check.check(recording, early ? { ...present, torn: [] } : present);
  }
  for (const [place, present] of found.recordings) {
    const session = place.slice(present.day.length + 1);
    if (ledger.recordings.get(session)?.day === present.day) continue;
    if (isNewer(present.oldestMs)) newer += 1;
    else findings.notIntact(`sessions/${place}`, 'no spine names this recording');
  }
  if (newer > 0) notes.push(`newer than the last seal: ${newer} recordings whose entries in the spines are still to come`);
  const ended = [...ledger.recordings.values()];
  if (spines.newest === undefined) notes.push('there is no checkpoint yet: nothing is signed');
  if (spines.uncovered > 0)
    notes.push(`not yet under a checkpoint: ${spines.uncovered} of the batches that writers recorded about their sessions`);
  const { pending, ...totals } = check.totals;
  if (pending > 0) notes.push(`not yet in the evidence: ${pending} batches of open recordings, which their writers keep in a journal`);
  if (!keysPinned) notes.push('the key came from the evidence itself: pin it with --key to know who signed');
  return {
    intact: findings.intact,
    complete: findings.complete,
    findings: findings.kept,
    findingCount: findings.count,
    notes,
    recordings: ended.length,
    open: ended.filter(({ end }) => end === undefined).map(({ session }) => session),
    abnormal: ended.flatMap(({ session, end }) =>
      end?.abnormal === true ? [{ session, reason: end.reason, ...(end.lost === undefined ? {} : { lost: end.lost }) }] : [],
    ),
    pending,
    writers: ledger.writers.size,
    openWriters,
    refusals: ledger.refusals,
    ...totals,
    leaves: spines.leaves,
    uncovered: spines.uncovered,
    newestCheckpoint: spines.newest === undefined ? undefined : describe(spines.newest.path, spines.newest.checkpoint),
    keysPinned,
    keys: keys.map(({ fingerprint }) => fingerprint),
  };
}

async function takeInventory(source: EvidenceSource, findings: Findings, notes: string[]): Promise<Inventory> {
  const keys: string[] = [];
  const writers = new Map<string, SpineFiles>();
  const recordings = new Map<string, PresentRecording>();
  const leaves: SizedFile[] = [];
  const checkpoints: SizedFile[] = [];
  let totalBytes = 0;
  for await (const { path, bytes, modifiedMs } of source.list()) {
    const place = placeOf(path);
    if (place === undefined) findings.notIntact(path, 'evidence has no such file');
    else if (place.kind === 'unfinished') notes.push(`${path} was left by a write that did not finish`);
    else if (place.kind === 'key') keys.push(place.keyId);
    else if (place.kind === 'writer' || place.kind === 'spinePiece') noteSpineFile(writers, place);
    else if (place.kind === 'leaves') leaves.push({ path, size: place.size });
    else if (place.kind === 'checkpoint') checkpoints.push({ path, size: place.size });
    else if (place.kind === 'segment') {
      totalBytes += bytes;
      const at = placeKey(place.day, place.session);
      const known = recordings.get(at) ?? { day: place.day, segments: [], torn: [], oldestMs: Infinity, tornMs: 0 };
      recordings.set(at, known);
      (place.torn ? known.torn : known.segments).push(place.segment);
      known.oldestMs = Math.min(known.oldestMs, modifiedMs ?? 0);
      if (place.torn) known.tornMs = modifiedMs ?? 0;
    }
  }
  for (const files of [leaves, checkpoints]) {
    files.sort((a, b) => a.size - b.size || (a.path < b.path ? -1 : 1));
    for (const [at, { path, size }] of files.entries()) {
      if (files[at + 1]?.size === size) findings.notIntact(path, 'another file is over the same leaves');
    }
  }
  return { keys: keys.sort(), writers, recordings, leaves, checkpoints, totalBytes };
}

async function trustedKeys(
  source: EvidenceSource,
  keyIds: readonly string[],
  { pinned = [], pinnedPems = [] }: VerifyOptions,
  findings: Findings,
): Promise<{ readonly keys: TrustedKey[]; readonly keysPinned: boolean }> {
  const present: TrustedKey[] = [];
  for (const keyId of keyIds) {
    const pem = (await readWhole(source, keyPath(keyId), findings))?.toString('latin1') ?? '';
    const key = trustedKey(pem);
    // The exact text too: white space in PEM would let bytes change unseen.
    if (key?.fingerprint !== keyId || key.key.export({ type: 'spki', format: 'pem' }) !== pem) {
      findings.notIntact(keyPath(keyId), 'the file is not the key that its name says');
    } else present.push(key);
  }
  const fromOutside = pinnedPems.map(trustedKey).filter((key) => key !== undefined);
  if (pinned.length === 0 && pinnedPems.length === 0) return { keys: present, keysPinned: false };
  const keys = [...fromOutside, ...present.filter(({ fingerprint }) => pinned.includes(fingerprint))];
  for (const fingerprint of pinned) {
    if (!keys.some((key) => key.fingerprint === fingerprint)) findings.notComplete(keyPath(fingerprint), 'the pinned key is not there');
  }
  return { keys, keysPinned: true };
}

function keptCheckpoint(text: string | undefined, findings: Findings): Checkpoint | undefined {
  if (text === undefined) return undefined;
  const checkpoint = parseCheckpoint(text);
  if (checkpoint === undefined) findings.notIntact('the kept checkpoint', 'it is not a checkpoint');
  return checkpoint;
}

function placeKey(day: string, session: string): string {
  return `${day}/${session}`;
}

function describe(path: string, { origin, size, root }: Checkpoint): NonNullable<Verification['newestCheckpoint']> {
  return { path, origin, size, root: root.toString('base64') };
}
