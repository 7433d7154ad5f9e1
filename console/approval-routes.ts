/** The pages: reading an approval, signing in for it, answering it. A GET never decides. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { Hono, type Context } from 'hono';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import type { Approval } from '../core/approval/approval.ts';
import { approvalNonce } from '../core/approval/nonce.ts';
import { MAX_SIGN_IN_AGE_MS, verifyVoter } from '../core/approval/votes.ts';
import { SallyportError } from '../core/errors.ts';
import { NO_APPROVAL, refusePage, type Refusal } from './answers.ts';
import { approvalPage, type Viewer } from './approval-page.ts';
import type { ConsolePorts } from './ports.ts';

export const CALLBACK_PATH = '/sign-in/callback';

const SESSION_COOKIE = 'sallyport_signed_in';
const FLOW_MS = 10 * 60_000;
const MAX_REASON_CHARACTERS = 1_000;

const SIGN_IN_AGAIN: Refusal = {
  status: 403,
  code: 'sign-in-invalid',
  message: 'This sign-in is not valid here.',
  fix: 'Open the page of the approval and sign in again in the same browser.',
};
const NOT_FROM_PAGE: Refusal = {
  status: 403,
  code: 'not-from-page',
  message: 'This answer did not come from the page of the approval.',
  fix: 'Open the page of the approval and answer there.',
};
const BAD_FORM: Refusal = {
  status: 400,
  code: 'bad-form',
  message: 'The form is not complete.',
  fix: 'Open the page again and answer there.',
};
const ISSUER_FAILED: Refusal = {
  status: 502,
  code: 'issuer-failed',
  message: 'The sign-in service did not complete the sign-in.',
  fix: 'Try again; if it stays so, check the issuer in sallyport.yaml.',
};

/** Routes below `/approvals` and the return from the issuer. */
export function approvalRoutes(ports: ConsolePorts): Hono {
  const app = new Hono();

  app.get('/approvals/:id', async (context) => {
    const approval = await ports.desk.read(context.req.param('id'));
    if (approval === undefined) return refusePage(context, NO_APPROVAL);
    return context.html(approvalPage(approval, await viewerOf(context, ports, approval)));
  });

  app.get('/approvals/:id/sign-in', async (context) => {
    const approval = await ports.desk.read(context.req.param('id'));
    if (approval === undefined) return refusePage(context, NO_APPROVAL);
    const { id, digest } = approval.request;
    const [state, browser, codeVerifier] = [ports.randomToken(), ports.randomToken(), ports.randomToken()];
    await ports.signInStore.putFlow(state, { approvalId: id, codeVerifier, browser: sha256(browser) }, ports.clock.now() + FLOW_MS);
    // Lax, because the way back from the issuer begins on another site.
    setCookie(context, flowCookie(state), browser, { ...cookie(ports), path: CALLBACK_PATH, maxAge: FLOW_MS / 1000 });
    try {
      return context.redirect((await ports.signIn.start({ state, nonce: approvalNonce(id, digest), codeVerifier })).href, 303);
    } catch (error) {
      if (error instanceof SallyportError) return refusePage(context, ISSUER_FAILED);
      throw error;
    }
  });

  app.get(CALLBACK_PATH, (context) => callback(context, ports));

  app.post('/approvals/:id/decision', (context) => decide(context, ports, context.req.param('id')));

  return app;
}

async function callback(context: Context, ports: ConsolePorts): Promise<Response> {
  const { state, code } = context.req.query();
  if (state === undefined) return refusePage(context, SIGN_IN_AGAIN);
  const flow = await ports.signInStore.takeFlow(state);
  const browser = getCookie(context, flowCookie(state)) ?? '';
  deleteCookie(context, flowCookie(state), { path: CALLBACK_PATH });
  // Another browser's return would sign this one in as somebody else (login CSRF).
  if (flow === undefined || !equal(flow.browser, sha256(browser))) return refusePage(context, SIGN_IN_AGAIN);
  const approval = await ports.desk.read(flow.approvalId);
  if (approval === undefined) return refusePage(context, NO_APPROVAL);
  if (code === undefined) return refusePage(context, ISSUER_FAILED);
  let idToken: string;
  try {
    idToken = await ports.signIn.finish(code, flow.codeVerifier);
  } catch (error) {
    if (error instanceof SallyportError) return refusePage(context, ISSUER_FAILED);
    throw error;
  }
  const nowMs = ports.clock.now();
  const checked = await verifyVoter(approval.request, idToken, nowMs, ports.verifyIdToken);
  if (!checked.ok) return refusePage(context, { ...SIGN_IN_AGAIN, message: `Not signed in: ${checked.reason}.` });
  const session = ports.randomToken();
  const path = `/approvals/${approval.request.id}`;
  await ports.signInStore.putSession(
    session,
    { approvalId: approval.request.id, idToken, csrf: ports.randomToken() },
    nowMs + MAX_SIGN_IN_AGE_MS,
  );
  setCookie(context, SESSION_COOKIE, session, { ...cookie(ports), path, maxAge: MAX_SIGN_IN_AGE_MS / 1000 });
  return context.redirect(path, 303);
}

async function decide(context: Context, ports: ConsolePorts, id: string): Promise<Response> {
  // Browsers send Origin with every form; what lacks it is no form of ours.
  if (context.req.header('origin') !== new URL(ports.publicUrl).origin) return refusePage(context, NOT_FROM_PAGE);
  if (!(context.req.header('content-type') ?? '').startsWith('application/x-www-form-urlencoded')) return refusePage(context, BAD_FORM);
  const approval = await ports.desk.read(id);
  if (approval === undefined) return refusePage(context, NO_APPROVAL);
  const form = new URLSearchParams(await context.req.text());
  const sessionId = getCookie(context, SESSION_COOKIE);
  const session = sessionId === undefined ? undefined : await ports.signInStore.readSession(sessionId);
  if (sessionId === undefined || session?.approvalId !== id) return refusePage(context, SIGN_IN_AGAIN);
  if (!equal(session.csrf, form.get('csrf') ?? '')) return refusePage(context, NOT_FROM_PAGE);
  const answer = form.get('answer');
  const reason = form.get('reason') ?? '';
  if ((answer !== 'approve' && answer !== 'reject') || reason.length > MAX_REASON_CHARACTERS) return refusePage(context, BAD_FORM);
  const outcome = await ports.desk.vote(id, { answer, reason, channel: 'page', idToken: session.idToken });
  if (outcome.kind === 'not-found') return refusePage(context, NO_APPROVAL);
  if (outcome.kind === 'refused') {
    const notice = `Your answer did not count: ${outcome.reason}.`;
    return context.html(approvalPage(outcome.approval, await viewerOf(context, ports, outcome.approval), notice), 409);
  }
  await ports.signInStore.dropSession(sessionId);
  return context.redirect(`/approvals/${id}`, 303);
}

/** The person of the session cookie, judged anew each time: a stale sign-in is none. */
async function viewerOf(context: Context, ports: ConsolePorts, approval: Approval): Promise<Viewer | undefined> {
  const sessionId = getCookie(context, SESSION_COOKIE);
  const session = sessionId === undefined ? undefined : await ports.signInStore.readSession(sessionId);
  if (session?.approvalId !== approval.request.id) return undefined;
  const checked = await verifyVoter(approval.request, session.idToken, ports.clock.now(), ports.verifyIdToken);
  return checked.ok ? { voter: checked.voter, csrf: session.csrf } : undefined;
}

/** One per sign-in, so that two pages in two tabs do not undo each other. */
function flowCookie(state: string): string {
  return `sallyport_flow_${sha256(state).slice(0, 16)}`;
}

function cookie(ports: ConsolePorts) {
  return { httpOnly: true, sameSite: 'Lax', secure: ports.publicUrl.startsWith('https:') } as const;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function equal(expected: string, presented: string): boolean {
  return timingSafeEqual(Buffer.from(sha256(expected)), Buffer.from(sha256(presented)));
}
