/** Cancel requests that one task leaves for another (design §3): bounded, and each good for a minute. */
import type { CancelMail } from './control.ts';

type Entry = CancelMail['entries'][number];

/** An older one was for a statement that is long over. */
export const CANCEL_ENTRY_MS = 60_000;

/** More are not kept for one task: whoever guesses keys of 32 bits with so many tries a minute needs sixteen years. */
const MAX_ENTRIES = 256;
/** Protocol 3.0 has 4 bytes of secret, 3.2 up to 256. */
const SECRET_HEX = /^(?:[0-9a-f]{2}){4,256}$/u;

/** The requests with this one, without those that are over; `full` where too many wait: what stands there is not pushed out. */
export function withCancel(held: CancelMail, entry: Entry): CancelMail | 'full' {
  const entries = held.entries.filter(({ atMs }) => entry.atMs - atMs < CANCEL_ENTRY_MS);
  return entries.length >= MAX_ENTRIES ? 'full' : { entries: [...entries, entry] };
}

/** Undefined where the value is no list of cancel requests. */
export function readCancelMail(body: unknown): CancelMail | undefined {
  const entries: unknown = typeof body === 'object' && body !== null && 'entries' in body ? body.entries : undefined;
  if (!Array.isArray(entries)) return undefined;
  const found = entries.map(readEntry).filter((entry) => entry !== undefined);
  return found.length === entries.length ? { entries: found } : undefined;
}

function readEntry(value: unknown): Entry | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { id, atMs, processId, secretHex }: Readonly<Record<string, unknown>> = { ...value };
  if (typeof id !== 'string' || typeof atMs !== 'number' || typeof processId !== 'number' || typeof secretHex !== 'string')
    return undefined;
  return Number.isFinite(atMs) && Number.isInteger(processId) && SECRET_HEX.test(secretHex)
    ? { id, atMs, processId, secretHex }
    : undefined;
}
