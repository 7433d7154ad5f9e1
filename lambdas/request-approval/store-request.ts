/** Keeps one request: first where its statement is looked up, then itself, then its workflow. Whatever is cut short is harmless. */
import { createHash } from 'node:crypto';
import type { Approval, ApprovalRequest } from '../../core/approval/approval.ts';
import { requestItem } from '../../core/approval/approval-items.ts';
import type { AskAnswer } from '../../core/approval/ask-answer.ts';
import { asOf } from '../../core/approval/lifecycle.ts';
import { unapprovable } from '../../core/approval/quorum.ts';
import { MAX_PENDING_PER_PRINCIPAL, unreadable } from '../../core/approval/readable.ts';
import { digestItem } from '../../core/approval/stored-approval.ts';
import { principalName } from '../../core/principal.ts';
import type { StoringPorts } from './ports.ts';

/** DynamoDB takes items of 400 KB; the rest is room for names and the index. */
const MAX_ITEM_BYTES = 380 * 1024;
/** Requests for one statement that are kept in its list; only those that can still be used are, once there are so many. */
const MAX_SAME_STATEMENT = 50;
/** Others write the same list at the same time. */
const MAX_WRITES = 10;
/** A request that is not there so long after its id was listed was never stored. */
const STORED_WITHIN_MS = 60_000;

/** Stores the request, unless nobody could ever answer it, or its principal waits for too many answers. */
export async function storeRequest(ports: StoringPorts, request: ApprovalRequest): Promise<AskAnswer> {
  const never = unapprovable(request) ?? unreadable(request) ?? tooLarge(request);
  if (never !== undefined) return { kind: 'unapprovable', reason: never };
  const [known] = await ports.store.read([request.id]);
  if (known !== undefined) return started(ports, request, known.approval.request);
  const { id } = request;
  const principal = principalName(request.principal);
  const mayWait = await listed(ports, openItem(principal), id, MAX_PENDING_PER_PRINCIPAL, isWaiting);
  if (!mayWait)
    return {
      kind: 'unavailable',
      reason: `${principal} already waits for ${MAX_PENDING_PER_PRINCIPAL} answers: withdraw some or wait`,
    };
  if (!(await listed(ports, digestItem(request.digest), id, MAX_SAME_STATEMENT, isUseful)))
    return { kind: 'unavailable', reason: 'this statement waits for too many answers already' };
  await ports.store.markDue(id, ports.now());
  return started(ports, request, await ports.store.put(request));
}

/** Item of the requests table with the ids for which a principal waits. Names may be long and hold anything. */
export function openItem(principal: string): string {
  return `open#${createHash('sha256').update(principal).digest('hex')}`;
}

async function started(ports: StoringPorts, request: ApprovalRequest, stored: ApprovalRequest): Promise<AskAnswer> {
  if (stored.digest !== request.digest) return { kind: 'unavailable', reason: 'an approval with this id is for another statement' };
  try {
    await ports.start(stored.id);
  } catch (error) {
    // People find it on the page, and the sweep starts what notifies them.
    ports.notStarted(stored.id, error);
  }
  return { kind: 'stored', request: stored };
}

/** Adds the id to a list; where that is full, those leave it that no longer count. False where it stays full. */
async function listed(
  ports: StoringPorts,
  item: string,
  id: string,
  limit: number,
  counts: (approval: Approval, nowMs: number) => boolean,
): Promise<boolean> {
  const { store, now } = ports;
  for (let attempt = 0; attempt < MAX_WRITES; attempt += 1) {
    const list = await store.list(item);
    // Its answer may have been lost.
    if (list.ids.includes(id)) return true;
    let { ids } = list;
    if (ids.length >= limit) {
      const nowMs = now();
      const found = new Map((await store.read(ids)).map(({ approval }) => [approval.request.id, approval]));
      ids = ids.filter((one) => {
        const approval = found.get(one);
        return approval === undefined ? isRecent(one, nowMs) : counts(approval, nowMs);
      });
      if (ids.length >= limit) return false;
    }
    if (await store.putList(item, list.v, [...ids, id])) return true;
  }
  return false;
}

function isWaiting(approval: Approval, nowMs: number): boolean {
  return asOf(approval, nowMs).state === 'pending';
}

/** As the gate finds them: what waits, what can be used, and what was used without an answer. */
function isUseful(approval: Approval, nowMs: number): boolean {
  const { state, claim } = asOf(approval, nowMs);
  return state === 'pending' || state === 'approved' || (state === 'claimed' && claim?.outcome.answerDelivered === false);
}

const BASE_32 = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const TIME_CHARACTERS = 10;

/** The first characters of an id are its time (`newApprovalId`). */
function isRecent(id: string, nowMs: number): boolean {
  const time = id.slice('ap_'.length, 'ap_'.length + TIME_CHARACTERS).split('');
  const atMs = time.reduce((sum, character) => sum * 32 + BASE_32.indexOf(character), 0);
  return nowMs - atMs < STORED_WITHIN_MS;
}

function tooLarge(request: ApprovalRequest): string | undefined {
  const bytes = Buffer.byteLength(JSON.stringify(requestItem(request, 0)));
  return bytes > MAX_ITEM_BYTES
    ? `the request with the ${request.effects.length} effects of its statement has ${bytes} bytes, more than can be kept: send it in parts`
    : undefined;
}
