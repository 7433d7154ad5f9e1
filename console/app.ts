/** The console and the HTTP API as one Hono app: served by the gateway's own process on one machine, by a Lambda on AWS. */
import { Hono, type Context } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { NOT_FOUND, refuseJson, refusePage, TOO_LONG, UNAVAILABLE, WRONG_HOST, type Refusal } from './answers.ts';
import { apiRoutes } from './api-routes.ts';
import { approvalRoutes } from './approval-routes.ts';
import { SECURITY_HEADERS, STYLE, STYLE_PATH } from './layout.ts';
import type { ConsolePorts } from './ports.ts';
import { sshKeyRoutes } from './ssh-key-routes.ts';

/** Asked by load balancers, by whatever name they call us. */
export const HEALTH_PATH = '/healthz';
const MAX_BODY_BYTES = 65_536;

/** Everything the console answers. It keeps no state of its own. */
export function createConsole(ports: ConsolePorts): Hono {
  const app = guarded();
  const hosts = new Set([new URL(ports.publicUrl).host, ...ports.alsoHosts]);
  app.use(async (context, next) => {
    // A name that an attacker rebinds to this address would make the browser treat its pages and ours as one site.
    if (!hosts.has(context.req.header('host') ?? '')) return refuse(context, WRONG_HOST);
    return next();
  });
  app.use(bodyLimit({ maxSize: MAX_BODY_BYTES, onError: (context) => refuse(context, TOO_LONG) }));
  app.get(STYLE_PATH, (context) => context.body(STYLE, 200, { 'content-type': 'text/css; charset=utf-8' }));
  app.route('/', approvalRoutes(ports));
  app.route('/v1', apiRoutes(ports));
  app.route('/v1', sshKeyRoutes(ports));
  app.notFound((context) => refuse(context, NOT_FOUND));
  // The store or a bug: nothing was decided. What went wrong is not for whoever asked.
  app.onError((error, context) => {
    ports.report(error);
    return refuse(context, UNAVAILABLE);
  });
  return app;
}

/** For a console that has no configuration now: it is alive, and answers nothing else. */
export function createClosedConsole(): Hono {
  const app = guarded();
  app.all('*', (context) => refuse(context, UNAVAILABLE));
  return app;
}

/** What every console has: headers for browsers on each answer, and its health. */
function guarded(): Hono {
  const app = new Hono();
  app.use(async (context, next) => {
    await next();
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) context.res.headers.set(name, value);
  });
  app.get(HEALTH_PATH, (context) => context.json({ ok: true }));
  return app;
}

function refuse(context: Context, refusal: Refusal): Response {
  return context.req.path.startsWith('/v1/') ? refuseJson(context, refusal) : refusePage(context, refusal);
}
