/** Ends a dead writer's journal by a tombstone, and reads what its spine left open. */
import { hash as sha256 } from 'node:crypto';
import { SallyportError } from '../../core/errors.ts';
import { JOURNAL_START, JournalChain } from '../../core/evidence/journal-chain.ts';
import type { ChainHead } from '../../core/evidence/spine.ts';
import { followSpine } from '../../core/state/sealed-writer.ts';
import type { JournalReader } from '../seal/ports.ts';
import type { JournalAppender, SealPositions } from './ports.ts';

/** A journal does not continue: what its writer left cannot be told. People must look. */
export class JournalBroken extends SallyportError {
  readonly code = 'journal-broken';
}

const READ_AT_ONCE = 32;

/** How a dead writer was found. */
export type LeftBehind = {
  /** Last batch of its spine. */
  readonly head: ChainHead;
  /** It had ended by itself. */
  readonly closed: boolean;
  /** Recordings that it opened and did not close: session → day. */
  readonly open: ReadonlyMap<string, string>;
  /** Commits from `needed` to before `end` hold every batch that no segment may have. */
  readonly needed: number;
  readonly end: number;
};

export type FenceParts = {
  readonly journals: JournalReader;
  readonly appender: JournalAppender;
  readonly positions: SealPositions;
};

/**
 * From here on the writer can commit nothing: whatever it still tries fails on the tombstone. `hint` is a commit that it had
 * come to. Throws JournalBroken.
 */
export async function fenceWriter(writer: string, by: string, hint: number, parts: FenceParts): Promise<LeftBehind> {
  const sealed = await parts.positions.read(writer);
  await fence(writer, by, Math.max(hint, sealed?.position.nextSeq ?? 0), parts);
  // Without the list of what was open, only the whole journal tells.
  const start = sealed?.open === undefined ? JOURNAL_START : sealed.position;
  const open = new Map(sealed?.open ?? []);
  const chain = new JournalChain(writer, start);
  let closed = sealed?.ended === 'closed';
  let needed: number | undefined;
  for (;;) {
    const entries = await parts.journals.read(writer, chain.position.nextSeq, READ_AT_ONCE);
    if (entries.length === 0)
      throw new JournalBroken(`the journal of ${writer} has no commit ${chain.position.nextSeq}, though it goes on behind it`);
    for (const entry of entries) {
      const step = chain.take(entry);
      if (step.kind === 'broken') throw new JournalBroken(`the journal of ${writer} is broken at commit ${step.seq}: ${step.why}`);
      if (step.kind === 'fenced') {
        const end = chain.position.nextSeq;
        return { head: chain.position.spine, closed, open, needed: needed ?? (await neededBy(writer, end, parts.journals)), end };
      }
      closed ||= followSpine(open, step.spine).closed;
      needed = step.needed;
    }
  }
}

/** A zombie may be faster at any place: then the next one is tried. */
async function fence(writer: string, by: string, from: number, { journals, appender }: FenceParts): Promise<void> {
  let seq = from;
  for (;;) {
    const entries = await journals.read(writer, seq, READ_AT_ONCE);
    if (entries.some(({ kind }) => kind === 'tombstone')) return;
    seq += entries.length;
    if (entries.length === READ_AT_ONCE) continue;
    if ((await appender.fence(writer, seq, by)) === 'written') return;
  }
}

async function neededBy(writer: string, end: number, journals: JournalReader): Promise<number> {
  if (end === 0) return 0;
  const [last] = await journals.read(writer, end - 1, 1);
  return last?.kind === 'commit' ? last.commit.needed : end;
}

/** SHA-256 in hex. */
export function digestOf(bytes: Buffer): string {
  return sha256('sha256', bytes, 'hex');
}
