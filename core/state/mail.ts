/** What may stand in a task's mailbox: each task reads its own every second, so it stays small. */
import type { Mail, MailEntry } from './control.ts';

/** What a task has not taken up by now, it never will: its poller has been silent for twenty times as long as its sessions live. */
const KEEP_MS = 10 * 60_000;
/** A quarter of a read's megabyte, and below the 400 KB of an item. */
const MAX_MAIL_BYTES = 262_144;

/**
 * The mailbox with this entry in it and old ones dropped, or `full`. A session has one end and one renewal at most: a second end
 * changes nothing, a second renewal replaces the first. Asking again and again therefore fills nothing.
 */
export function posted(mail: Mail, entry: MailEntry, nowMs: number): Mail | 'full' {
  const kept = mail.entries.filter(({ atMs }) => nowMs - atMs < KEEP_MS);
  const before = kept.findIndex(({ kind, session }) => kind === entry.kind && session === entry.session);
  if (before >= 0 && entry.kind === 'end') return { entries: kept };
  const entries = [...kept.filter((_, at) => at !== before), entry];
  return Buffer.byteLength(JSON.stringify(entries)) > MAX_MAIL_BYTES ? 'full' : { entries };
}
