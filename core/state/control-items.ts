/** Values of the control, writers and sessions tables, read back strictly: what another deployable wrote is checked before it is obeyed. */
import type { LiveSessionItem, LockList, Mail, MailEntry, WriterItem } from './control.ts';

type Fields = Readonly<Record<string, unknown>>;
type LockItem = LockList['locks'][number];

/** Undefined where the value is no list of locks. */
export function readLockList(body: unknown): LockList | undefined {
  const locks = listOf(fieldsOf(body)?.['locks'], (value): LockItem | undefined => {
    const { subject, by, reason, lockedAtMs } = fieldsOf(value) ?? {};
    return isText(subject) && isText(by) && isText(reason) && isTime(lockedAtMs) ? { subject, by, reason, lockedAtMs } : undefined;
  });
  return locks === undefined ? undefined : { locks };
}

/** Undefined where the value is no mailbox. An entry of a kind that is not known makes it none: half of a request is obeyed by nobody. */
export function readMail(body: unknown): Mail | undefined {
  const entries = listOf(fieldsOf(body)?.['entries'], readEntry);
  return entries === undefined ? undefined : { entries };
}

/** Undefined where the value is no live session. */
export function readLiveSession(body: unknown): LiveSessionItem | undefined {
  const { session, writer, principal, human, owner, target, source, openedAtMs, day } = fieldsOf(body) ?? {};
  if (!isText(session) || !isText(writer) || !isText(principal) || !isText(target) || !isText(source) || !isText(day)) return undefined;
  if (!isTime(openedAtMs) || !(human === undefined || isText(human)) || !(owner === undefined || isText(owner))) return undefined;
  return {
    session,
    writer,
    principal,
    ...(human === undefined ? {} : { human }),
    ...(owner === undefined ? {} : { owner }),
    target,
    source,
    openedAtMs,
    day,
  };
}

/** Undefined where the value is no writer. */
export function readWriter(body: unknown): WriterItem | undefined {
  const { writer, slot, state, leaseUntilMs, nextSeq, generation, image } = fieldsOf(body) ?? {};
  if (!isText(writer) || !isText(image) || !isTime(leaseUntilMs)) return undefined;
  if (!isCount(slot) || !isCount(nextSeq) || !isCount(generation)) return undefined;
  if (state !== 'live' && state !== 'closed' && state !== 'fenced') return undefined;
  return { writer, slot, state, leaseUntilMs, nextSeq, generation, image };
}

function readEntry(value: unknown): MailEntry | undefined {
  const { id, atMs, kind, session, by, reason, token } = fieldsOf(value) ?? {};
  if (!isText(id) || !isTime(atMs) || !isText(session)) return undefined;
  if (kind === 'end' && isText(by) && isText(reason)) return { id, atMs, kind, session, by, reason };
  return kind === 'renew' && isText(token) ? { id, atMs, kind, session, token } : undefined;
}

function listOf<T>(value: unknown, read: (each: unknown) => T | undefined): readonly T[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const found = value.map(read).filter((each) => each !== undefined);
  return found.length === value.length ? found : undefined;
}

function fieldsOf(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.fromEntries(Object.entries(value)) : undefined;
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}
