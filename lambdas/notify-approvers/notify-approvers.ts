/** Tells people that somebody waits, once, and keeps where the workflow waits for their answer. */
import { SallyportError } from '../../core/errors.ts';
import { asOf } from '../../core/approval/lifecycle.ts';
import type { Notice } from '../../core/approval/notice.ts';
import { noticeText } from './notice-text.ts';
import type { NotifyPorts } from './ports.ts';

/**
 * People decided, or nothing is left to decide, before the workflow began to wait. The state machine catches it by this name and
 * goes on; the function that a machine calls must not be the one that answers its tokens.
 */
export class AlreadyDecided extends SallyportError {
  readonly code = 'already-decided';
  // A bundler may rename the class; the state machine knows this name.
  override readonly name = 'AlreadyDecided';
}

/** Some channel could not be used: the state machine tries again. */
export class NoticeFailed extends SallyportError {
  readonly code = 'notice-failed';
  override readonly name = 'NoticeFailed';
}

/** There is no such request, though its workflow runs: a start by hand. */
export class RequestMissing extends SallyportError {
  readonly code = 'request-missing';
  override readonly name = 'RequestMissing';
}

/** Later than expiry may be kept (`close-approval`), also by a clock that is some seconds behind this one. */
const WAIT_MARGIN_MS = 10_000;

/** Another attempt of the machine may write at the same time. */
const MAX_WRITES = 5;

/** How long the workflow has to wait. Throws RequestMissing. */
export async function describeWait(ports: NotifyPorts, id: string): Promise<{ readonly waitSeconds: number }> {
  const approval = await ports.approval(id);
  if (approval === undefined) throw new RequestMissing(`there is no request ${id}`);
  const waitMs = approval.request.expiresAtMs + WAIT_MARGIN_MS - ports.now();
  return { waitSeconds: Math.max(1, Math.ceil(waitMs / 1_000)) };
}

/**
 * Keeps the token, then looks whether people were faster, then tells them. `taskToken` is absent where a sweep repeats what failed.
 * Throws AlreadyDecided, NoticeFailed, RequestMissing.
 */
export async function notifyApprovers(ports: NotifyPorts, id: string, taskToken: string | undefined): Promise<void> {
  const kept =
    taskToken === undefined ? (await ports.notices.read(id)).notice : await changed(ports, id, (notice) => ({ ...notice, taskToken }));
  // Read after the token was kept: who decides later finds the token.
  const approval = await ports.approval(id);
  if (approval === undefined) throw new RequestMissing(`there is no request ${id}`);
  const { state } = asOf(approval, ports.now());
  if (state !== 'pending') {
    // Nothing waits for a sweep's call, so nobody needs to hear of it.
    if (taskToken === undefined) return;
    throw new AlreadyDecided(`the approval ${id} is ${state}`);
  }
  if (kept.toldAtMs !== undefined) return;
  const text = noticeText(approval.request, ports.publicUrl);
  const told = new Set(kept.told);
  const failed: string[] = [];
  for (const { name, send } of ports.channels) {
    if (told.has(name)) continue;
    try {
      await send(text);
      told.add(name);
    } catch (error) {
      ports.notSent(id, name, error);
      failed.push(name);
    }
  }
  const toldAtMs = ports.now();
  // A channel that is down for a day must not repeat the others: only what has failed is done again.
  await changed(ports, id, (notice) => ({ ...notice, told: [...told], ...(failed.length === 0 ? { toldAtMs } : {}) }));
  if (failed.length > 0) throw new NoticeFailed(`people could not be told by ${failed.join(' and ')}`);
}

async function changed(ports: NotifyPorts, id: string, change: (notice: Notice) => Notice): Promise<Notice> {
  for (let attempt = 0; attempt < MAX_WRITES; attempt += 1) {
    const { v, notice } = await ports.notices.read(id);
    const next = change(notice);
    if (await ports.notices.put(id, v, next)) return next;
  }
  throw new Error('others change the notice faster than it could be kept');
}
