/** Entry of the `console` function: an event of the load balancer in, the console's answer out. */
import { randomBytes } from 'node:crypto';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { CALLBACK_PATH } from '../../console/approval-routes.ts';
import { createClosedConsole, createConsole, HEALTH_PATH } from '../../console/app.ts';
import { approverIssuers, idTokenVerifier } from '../../console/id-token-verifier.ts';
import { oidcSignIn } from '../../console/oidc-sign-in.ts';
import { operatorVerifier } from '../../console/operator-verifier.ts';
import { SECURITY_HEADERS } from '../../console/layout.ts';
import type { ConsolePorts } from '../../console/ports.ts';
import type { Config } from '../../core/config/config.ts';
import { isTrustworthyUrl } from '../../core/config/loopback.ts';
import { SallyportError } from '../../core/errors.ts';
import { JoseTokenVerifier } from '../../proxy-task/adapters/jose-token-verifier.ts';
import { DynamoApprovals } from '../adapters/dynamo-approvals.ts';
import { DynamoLiveSessions } from '../adapters/dynamo-live-sessions.ts';
import { DynamoLockDirectory } from '../adapters/dynamo-lock-directory.ts';
import { DynamoMailbox } from '../adapters/dynamo-mailbox.ts';
import { DynamoSignInStore } from '../adapters/dynamo-sign-in-store.ts';
import { DynamoSshLoginStore } from '../adapters/dynamo-ssh-keys.ts';
import { InvokeDecideApproval } from '../adapters/invoke-decide-approval.ts';
import { bundleReader } from '../adapters/s3-bundle-reader.ts';
import { EventRefused } from '../event-fields.ts';
import { errorFields, logOf } from '../log.ts';
import { required } from '../settings.ts';
import { answerOf, requestOf, type AlbAnswer } from './alb.ts';
import { approvalDesk } from './approval-desk.ts';
import { sessionDirectory, sessionRenewal } from './console.ts';

type Fetch = (request: Request) => Response | Promise<Response>;
type Composed = { readonly origin: string; console(): Promise<Fetch> };

/** A page makes a handful of requests, and the load balancer waits as long as the visitor does: three short tries, then an answer. */
const STATE_CLIENT = { maxAttempts: 3, requestHandler: { connectionTimeout: 500, requestTimeout: 1_500, throwOnRequestTimeout: true } };
/** A vote is asked for once: it may have been counted though the answer was lost, and a second one would be refused for it. */
const DECIDE_CLIENT = { maxAttempts: 1, requestHandler: { connectionTimeout: 1_000, requestTimeout: 10_000, throwOnRequestTimeout: true } };

const OPERATOR_HELP =
  'Set SALLYPORT_OPERATOR_TOKEN to what `sallyport token --operator` prints, as a person in the group that approverGroups.operators names.';

const log = logOf('console');
const report = (error: unknown): void => log.error('a request failed', errorFields(error));
const closed: Fetch = (request) => createClosedConsole().fetch(request);
let composed: Composed | undefined;

/** Cookies and tokens would cross a network in clear. */
class InsecureAddress extends SallyportError {
  readonly code = 'insecure-address';
}

/** Never rejects but for a function that was deployed wrongly. */
export async function handler(event: unknown): Promise<AlbAnswer> {
  composed ??= compose();
  const { origin } = composed;
  let request: Request;
  try {
    request = requestOf(event, origin);
  } catch (error) {
    if (!(error instanceof EventRefused)) throw error;
    log.warn('an event was refused', errorFields(error));
    return answerOf(new Response('This is no request of a browser.\n', { status: 400, headers: SECURITY_HEADERS }));
  }
  // Of health the function knows by itself: a bundle that cannot be read has its own alarm.
  const answer = new URL(request.url).pathname === HEALTH_PATH ? closed : await composed.console().catch(closedFor);
  return answerOf(await answer(request));
}

function closedFor(error: unknown): Fetch {
  report(error);
  return closed;
}

function compose(): Composed {
  const publicUrl = required('SALLYPORT_PUBLIC_URL').replace(/\/+$/u, '');
  if (!isTrustworthyUrl(publicUrl)) throw new InsecureAddress('SALLYPORT_PUBLIC_URL is no https address: people would sign in without TLS');
  const bundles = bundleReader({
    controlTable: required('SALLYPORT_CONTROL_TABLE'),
    configBucket: required('SALLYPORT_CONFIG_BUCKET'),
    bundleKey: required('SALLYPORT_BUNDLE_KEY_ARN'),
  });
  const portsFor = lastingPorts(publicUrl);
  let built: { readonly config: Config; readonly fetch: Fetch } | undefined;
  return {
    origin: new URL(publicUrl).origin,
    // Read at every request, so that whoever was taken out of the configuration is believed no longer.
    console: async () => {
      const { config } = await bundles.current();
      if (built?.config !== config) {
        const app = createConsole(portsFor(config));
        built = { config, fetch: (request) => app.fetch(request) };
      }
      return built.fetch;
    },
  };
}

/** Clients and tables are the same under every configuration; who may do what is not. */
function lastingPorts(publicUrl: string): (config: Config) => ConsolePorts {
  const clock = { now: () => Date.now() };
  const newId = (): string => randomBytes(32).toString('base64url');
  const dynamo = new DynamoDBClient(STATE_CLIENT);
  const controlTable = required('SALLYPORT_CONTROL_TABLE');
  const tables = {
    requests: required('SALLYPORT_REQUESTS_TABLE'),
    decisions: required('SALLYPORT_DECISIONS_TABLE'),
    claims: required('SALLYPORT_CLAIMS_TABLE'),
  };
  const live = new DynamoLiveSessions(
    dynamo,
    { writers: required('SALLYPORT_WRITERS_TABLE'), sessions: required('SALLYPORT_SESSIONS_TABLE') },
    clock,
  );
  const remote = { live, mailbox: new DynamoMailbox(dynamo, controlTable, clock), clock, newId };
  const lasting = {
    desk: approvalDesk({
      approvals: new DynamoApprovals(dynamo, tables, clock),
      decider: new InvokeDecideApproval(new LambdaClient(DECIDE_CLIENT), required('SALLYPORT_FN_DECIDE_APPROVAL')),
    }),
    signInStore: new DynamoSignInStore(dynamo, required('SALLYPORT_SIGNIN_TABLE'), clock),
    sessions: sessionDirectory(remote),
    locks: new DynamoLockDirectory({ dynamo, table: controlTable, live, clock }),
    clock,
    randomToken: newId,
    publicUrl,
    alsoHosts: [],
    report,
    operatorHelp: OPERATOR_HELP,
  };
  const logins = new DynamoSshLoginStore(dynamo, required('SALLYPORT_SSHKEYS_TABLE'), clock);
  return (config) => {
    const { issuers, agents } = config;
    const tokens = new JoseTokenVerifier({ issuers, agents, now: clock.now });
    const signIn = issuers.find(({ approverClientIds }) => approverClientIds.length > 0);
    const issuer = signIn?.issuer ?? 'https://invalid.example';
    const cliSignIn = { issuer, clientId: signIn?.approverClientIds.at(-1) ?? '' };
    return {
      ...lasting,
      verifyIdToken: idTokenVerifier(approverIssuers(issuers)),
      signIn: oidcSignIn({ issuer, clientId: signIn?.approverClientIds[0] ?? '', redirectUri: `${publicUrl}${CALLBACK_PATH}` }),
      renewal: sessionRenewal({ ...remote, tokens }),
      operatorOf: operatorVerifier({ config, publicUrl, now: clock.now }),
      cliSignIn,
      operatorSignIn: cliSignIn,
      // Without hosts there is nothing to log in to.
      ...(config.targets.some(({ kind }) => kind === 'ssh') ? { ssh: { logins, verifyToken: (token) => tokens.verify(token) } } : {}),
    };
  };
}
