/** Tables and buckets of sealer and sweeper in memory, with the conditions of the real ones, and faults at any write. */
import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { keyFingerprint, type Signer } from '../../core/evidence/checkpoint.ts';
import type { JournalCommit } from '../../core/evidence/journal.ts';
import type { JournalEntry } from '../../core/evidence/journal-item.ts';
import { placeOf } from '../../core/evidence/layout.ts';
import type { EvidenceSource } from '../../core/evidence/source.ts';
import { memorySource } from './evidence.ts';
import type { WriterItem } from '../../core/state/control.ts';
import { parseSealedWriter, sealedWriterItem } from '../../core/state/sealed-writer.ts';
import type { SealItem, SealState, EvidenceStore, JournalReader } from '../../lambdas/seal/ports.ts';
import type { JournalAppender, LiveSessions, RecordingFiles, SealPositions, StagedLines, WriterItems } from '../../lambdas/sweep/ports.ts';

/** `before`: the write does not happen; `after`: it does, and its answer is lost. */
export type Fault = { readonly at: number; readonly when: 'before' | 'after' };

export class Died extends Error {}

export class MemoryEvidence {
  readonly objects = new Map<string, Buffer>();
  /** When each object was put. */
  readonly modifiedMs = new Map<string, number>();
  now: () => number = () => 0;
  readonly journal = new Map<string, JournalEntry>();
  readonly writers = new Map<string, { v: number; item: WriterItem }>();
  readonly sealItems = new Map<string, SealItem>();
  readonly live = new Map<string, Set<string>>();
  readonly stagedLines = new Map<string, Buffer>();
  /** Writes so far, of whatever runs. */
  writes = 0;
  fault: Fault | undefined;
  /** Called after each write: where something else can happen in between. */
  between: () => Promise<void> = () => Promise.resolve();

  private async write<T>(effect: () => T): Promise<T> {
    const at = this.writes;
    this.writes += 1;
    await Promise.resolve();
    if (this.fault?.at === at && this.fault.when === 'before') throw new Died();
    const answer = effect();
    if (this.fault?.at === at) throw new Died();
    await this.between();
    return answer;
  }

  readonly journals: JournalReader = {
    read: (writer, fromSeq, limit) => {
      const entries: JournalEntry[] = [];
      for (let seq = fromSeq; entries.length < limit; seq += 1) {
        const entry = this.journal.get(`${writer} ${seq}`);
        if (entry === undefined) break;
        entries.push(entry);
      }
      return Promise.resolve(entries);
    },
  };

  readonly appender: JournalAppender = {
    append: (commit: JournalCommit) => this.write(() => this.appendNow(commit)),
    fence: (writer, seq, fencedBy) =>
      this.write(() => {
        const key = `${writer} ${seq}`;
        const standing = this.journal.get(key);
        if (standing !== undefined) return standing.kind === 'tombstone' && standing.fencedBy === fencedBy ? 'written' : 'taken';
        this.journal.set(key, { kind: 'tombstone', seq, fencedBy });
        return 'written';
      }),
  };

  appendNow(commit: JournalCommit): 'written' | 'taken' {
    const key = `${commit.writer} ${commit.seq}`;
    const standing = this.journal.get(key);
    if (standing !== undefined) return standing.kind === 'commit' && standing.commit.hash === commit.hash ? 'written' : 'taken';
    this.journal.set(key, { kind: 'commit', commit, atMs: 0 });
    return 'written';
  }

  readonly directory: WriterItems & { known(): readonly WriterItem[] } = {
    known: () => [...this.writers.values()].map(({ item }) => item),
    list: () => Promise.resolve([...this.writers.values()]),
    register: (item) =>
      this.write(() => {
        if (!this.writers.has(item.writer)) this.writers.set(item.writer, { v: 1, item });
      }),
    fenced: ({ v, item }) =>
      this.write(() => {
        if (this.writers.get(item.writer)?.v !== v) return false;
        this.writers.set(item.writer, { v: v + 1, item: { ...item, state: 'fenced' } });
        return true;
      }),
  };

  readonly state: SealState = {
    get: (ids) =>
      Promise.resolve(
        new Map(
          ids.flatMap((id): [string, SealItem][] => {
            const item = this.sealItems.get(id);
            return item === undefined ? [] : [[id, item]];
          }),
        ),
      ),
    put: (id, v, body) =>
      this.write(() => {
        if ((this.sealItems.get(id)?.v ?? 0) >= v) return false;
        const value: unknown = JSON.parse(JSON.stringify(body));
        this.sealItems.set(id, { v, body: value });
        return true;
      }),
  };

  readonly positions: SealPositions = {
    read: (writer) => {
      const item = this.sealItems.get(sealedWriterItem(writer));
      return Promise.resolve(item === undefined ? undefined : parseSealedWriter(item.body));
    },
  };

  readonly store: EvidenceStore = {
    put: (path, bytes) => this.write(() => this.putNow(path, bytes)),
    read: (path) => Promise.resolve(this.objects.get(path)),
  };

  putNow(path: string, bytes: Buffer): 'written' | 'present' | 'taken' {
    const standing = this.objects.get(path);
    if (standing !== undefined) return standing.equals(bytes) ? 'present' : 'taken';
    this.objects.set(path, Buffer.from(bytes));
    this.modifiedMs.set(path, this.now());
    return 'written';
  }

  /** What anybody who verifies can read. */
  source(): EvidenceSource {
    const { list, open } = memorySource(this.objects);
    const times = this.modifiedMs;
    return {
      open,
      async *list() {
        for await (const file of list()) yield { ...file, modifiedMs: times.get(file.path) ?? 0 };
      },
    };
  }

  readonly files: RecordingFiles = {
    list: (day, session) =>
      Promise.resolve(
        [...this.objects.keys()].filter((path) => {
          const place = placeOf(path);
          return place?.kind === 'segment' && place.day === day && place.session === session;
        }),
      ),
  };

  readonly staged: StagedLines = { read: (key) => Promise.resolve(this.stagedLines.get(key)) };

  readonly sessions: LiveSessions = {
    list: (writer) => Promise.resolve([...(this.live.get(writer) ?? [])]),
    remove: (writer, session) => this.write(() => void this.live.get(writer)?.delete(session)),
  };
}

/** A P-256 key in memory, in place of the one in KMS. */
export function memorySigner(key: KeyObject = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey): Signer {
  const publicKey = createPublicKey(key);
  return {
    keyId: keyFingerprint(publicKey),
    publicKeyPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    sign: (bytes) => Promise.resolve(sign('sha256', bytes, key)),
  };
}
