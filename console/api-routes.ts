/** The HTTP API under `/v1`. Bodies are JSON, keys that are not known are refused. */
import { Hono, type Context } from 'hono';
import { personKey } from '../core/identity/person-key.ts';
import { badRequest, NO_APPROVAL, NOT_FOUND, refuseJson, type Refusal } from './answers.ts';
import { approvalView } from './approval-view.ts';
import { bearer, jsonBody, MAX_TOKEN_CHARACTERS } from './json-request.ts';
import { LocksFull, type BallotOutcome, type ConsolePorts } from './ports.ts';

const MAX_LISTED = 200;
/** A load balancer takes a megabyte from a function: a list with longer statements is cut, and says so. */
const MAX_LISTED_BYTES = 500_000;
/** With what a session's line holds, the answer stays below the megabyte that a load balancer takes from a function. */
const MAX_LISTED_SESSIONS = 1_000;
const MAX_REASON_CHARACTERS = 1_000;
const MAX_SUBJECT_CHARACTERS = 600;

/** Routes below `/v1`. */
export function apiRoutes(ports: ConsolePorts): Hono {
  const app = new Hono();
  const operatorOf = async (context: Context): Promise<string | undefined> => {
    const token = bearer(context);
    return token === '' || token.length > MAX_TOKEN_CHARACTERS ? undefined : ports.operatorOf(token);
  };
  const notOperator: Refusal = {
    status: 401,
    code: 'operator-token-needed',
    message: 'This needs the token of an operator.',
    fix: ports.operatorHelp,
  };

  app.get('/approvals', async (context) => {
    if ((await operatorOf(context)) === undefined) return refuseJson(context, notOperator);
    const listed = await ports.desk.list({ open: context.req.query('all') !== '1', limit: MAX_LISTED });
    const views = listed.map((approval) => approvalView(approval, ports.publicUrl));
    const approvals = fitting(views);
    return context.json({ approvals, ...(approvals.length < views.length ? { more: true } : {}) });
  });

  // As the page: whoever has the unguessable id may read.
  app.get('/approvals/:id', async (context) => {
    const approval = await ports.desk.read(context.req.param('id'));
    if (approval === undefined) return refuseJson(context, NO_APPROVAL);
    return context.json({ ...approvalView(approval, ports.publicUrl), signIn: ports.cliSignIn });
  });

  app.post('/approvals/:id/votes', async (context) => {
    const body = await jsonBody(context, ['answer', 'reason', 'idToken']);
    if ('status' in body) return refuseJson(context, body);
    const { answer, reason = '', idToken } = body.fields;
    if (answer !== 'approve' && answer !== 'reject') return refuseJson(context, badRequest('answer must be "approve" or "reject"'));
    if (reason.length > MAX_REASON_CHARACTERS) return refuseJson(context, badRequest('reason has more than 1000 characters'));
    if (idToken === undefined || idToken.length > MAX_TOKEN_CHARACTERS)
      return refuseJson(context, badRequest('idToken is missing or too long'));
    const outcome = await ports.desk.vote(context.req.param('id'), { answer, reason, idToken, channel: 'cli' });
    return answerTo(context, ports, outcome);
  });

  // For the command, where it has no token yet: where a person signs in, and for which address (`operatorNonce`).
  app.get('/sign-in', (context) =>
    ports.operatorSignIn === undefined ? refuseJson(context, NOT_FOUND) : context.json({ ...ports.operatorSignIn, for: ports.publicUrl }),
  );

  app.get('/sessions', async (context) => {
    if ((await operatorOf(context)) === undefined) return refuseJson(context, notOperator);
    const { sessions, more } = await ports.sessions.list(MAX_LISTED_SESSIONS);
    return context.json({
      sessions: sessions.map(({ openedAtMs, ...session }) => ({ ...session, openedAt: new Date(openedAtMs).toISOString() })),
      ...(more ? { more } : {}),
    });
  });

  app.post('/sessions/:id/end', async (context) => {
    const operator = await operatorOf(context);
    if (operator === undefined) return refuseJson(context, notOperator);
    const body = await jsonBody(context, ['reason']);
    if ('status' in body) return refuseJson(context, body);
    const reason = body.fields['reason'] ?? '';
    if (reason === '' || reason.length > MAX_REASON_CHARACTERS) {
      return refuseJson(context, badRequest('reason is missing or has more than 1000 characters'));
    }
    return (await ports.sessions.end(context.req.param('id'), operator, reason))
      ? context.json({ ended: true })
      : refuseJson(context, NO_SESSION);
  });

  app.get('/locks', async (context) => {
    if ((await operatorOf(context)) === undefined) return refuseJson(context, notOperator);
    const locks = await ports.locks.locks();
    return context.json({ locks: locks.map(({ lockedAtMs, ...lock }) => ({ ...lock, lockedAt: new Date(lockedAtMs).toISOString() })) });
  });

  app.post('/locks', async (context) => {
    const operator = await operatorOf(context);
    if (operator === undefined) return refuseJson(context, notOperator);
    const body = await jsonBody(context, ['subject', 'reason']);
    if ('status' in body) return refuseJson(context, body);
    const subject = lockSubject(body.fields['subject'] ?? '');
    const reason = body.fields['reason'] ?? '';
    if (subject === undefined) return refuseJson(context, badRequest('subject is neither a principal nor a person'));
    if (reason === '' || reason.length > MAX_REASON_CHARACTERS) {
      return refuseJson(context, badRequest('reason is missing or has more than 1000 characters'));
    }
    try {
      return context.json({ locked: subject, ended: await ports.locks.lock(subject, operator, reason) });
    } catch (error) {
      if (error instanceof LocksFull) return refuseJson(context, FULL);
      throw error;
    }
  });

  app.delete('/locks/:subject', async (context) => {
    if ((await operatorOf(context)) === undefined) return refuseJson(context, notOperator);
    const subject = lockSubject(context.req.param('subject'));
    const unlocked = subject !== undefined && (await ports.locks.unlock(subject));
    return unlocked ? context.json({ unlocked: subject }) : refuseJson(context, NO_LOCK);
  });

  app.post('/sessions/:id/renew', async (context) => {
    const token = bearer(context);
    if (token === '' || token.length > MAX_TOKEN_CHARACTERS) return refuseJson(context, NO_TOKEN);
    const renewed = await ports.renewal.renew(context.req.param('id'), token);
    if (renewed === undefined) return refuseJson(context, NO_TOKEN);
    return context.json({ expiresAt: new Date(renewed.expiresAtMs).toISOString() });
  });

  return app;
}

const NO_SESSION: Refusal = {
  status: 404,
  code: 'session-not-found',
  message: 'No session with this id is live.',
  fix: 'List the live ones with `sallyport sessions`.',
};
const NO_LOCK: Refusal = {
  status: 404,
  code: 'lock-not-found',
  message: 'Nothing is locked under this name.',
  fix: 'List the locks with `sallyport sessions locks`.',
};
const FULL: Refusal = {
  status: 409,
  code: 'locks-full',
  message: 'No more names can be locked.',
  fix: 'Unlock those that their identity provider has shut out meanwhile.',
};
const NO_TOKEN: Refusal = {
  status: 401,
  code: 'token-refused',
  message: 'The session is not renewed.',
  fix: 'Send a fresh access token of the same principal as a bearer token.',
};

/** The first of them that are short enough together; one at least. */
function fitting<T>(views: readonly T[]): readonly T[] {
  let bytes = 0;
  const end = views.findIndex((view) => {
    bytes += Buffer.byteLength(JSON.stringify(view));
    return bytes > MAX_LISTED_BYTES;
  });
  return end < 0 ? views : views.slice(0, Math.max(end, 1));
}

/** `corp/agent-7` as it stands; a person as every token's person is compared. */
function lockSubject(given: string): string | undefined {
  if (given.length > MAX_SUBJECT_CHARACTERS || /\p{C}/u.test(given)) return undefined;
  const subject = given.includes('/') ? given.trim() : personKey(given);
  return subject === '' ? undefined : subject;
}

function answerTo(context: Context, ports: ConsolePorts, outcome: BallotOutcome): Response {
  switch (outcome.kind) {
    case 'not-found':
      return refuseJson(context, NO_APPROVAL);
    case 'counted':
      return context.json(approvalView(outcome.approval, ports.publicUrl));
    case 'refused': {
      const mayNot = outcome.code === 'sign-in-invalid' || outcome.code === 'not-entitled';
      return refuseJson(context, {
        status: mayNot ? 403 : 409,
        code: outcome.code,
        message: `The answer did not count: ${outcome.reason}.`,
        fix: mayNot ? 'Sign in as a person who may decide this, for this approval.' : 'Nothing is left to do here.',
      });
    }
  }
}
