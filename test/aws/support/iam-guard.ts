/**
 * IAM before the emulator, which has none: every request of a deployable is judged by the policy of its role in the synthesized
 * templates, action, resource and condition, and refused as AWS refuses it. Who a request is from stands in its signature: each
 * deployable is given the name of its role as its access key. Keys that nobody was given (of an assumed role) pass.
 */
import { createServer, request as send, type IncomingMessage, type ServerResponse } from 'node:http';
import type { SynthesizedTemplates } from '../../support/synthesized-template.ts';
import { bodyOf } from './request-body.ts';
import { asked, type Asked } from './iam-request.ts';
import { allows, type Grant, grantsByRole } from './iam-policy.ts';

export type IamGuard = {
  /** Credentials of a role, and endpoints that lead through here. */
  environment(role: string): Readonly<Record<string, string>>;
  /** What was refused until now, as `<role> <action> <resource>`. */
  readonly refused: string[];
  /** Told of every key that is pushed to an instance, before the answer is: the emulator takes them and keeps none. */
  onKeyPush: (request: KeyPush) => void;
  stop(): Promise<void>;
};

/** A request of EC2 Instance Connect. */
export type KeyPush = { readonly InstanceId: string; readonly InstanceOSUser: string; readonly SSHPublicKey: string };

export type IamGuardOptions = {
  readonly templates: SynthesizedTemplates;
  /** Address of the emulator, and of what answers for Lambda and Step Functions. */
  readonly emulator: string;
  readonly services: string;
};

export async function startIamGuard({ templates, emulator, services }: IamGuardOptions): Promise<IamGuard> {
  const roles = grantsByRole(templates);
  const refused: string[] = [];

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await bodyOf(request);
    const [, role = '', service = ''] = /Credential=([^/]+)\/\d+\/[^/]+\/([^/]+)\//u.exec(request.headers.authorization ?? '') ?? [];
    const grants = roles.get(role);
    const questions = grants === undefined ? [] : asked(service, request, body);
    const missing = questions.filter((question) => !allows(grants ?? [], question));
    if (missing.length > 0) {
      for (const { action, resource } of missing) refused.push(`${role} ${action} ${resource}`);
      refuse(service, missing, response);
      return;
    }
    // The request's own names.
    if (service === 'ec2-instance-connect') guard.onKeyPush(JSON.parse(body.toString()) as KeyPush);
    const upstream = new URL(service === 'lambda' || service === 'states' ? services : emulator);
    const hides = service === 's3' && grants !== undefined && !mayList(grants, questions);
    await pass(request, body, upstream, response, hides);
  };

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const url = `http://127.0.0.1:${address.port}`;
  const guard: IamGuard = {
    onKeyPush: () => undefined,
    environment: (role) => {
      if (!roles.has(role)) throw new Error(`no template has a policy for the role ${role}`);
      return {
        AWS_ACCESS_KEY_ID: role,
        AWS_SECRET_ACCESS_KEY: 'test',
        AWS_ENDPOINT_URL: url,
        AWS_ENDPOINT_URL_LAMBDA: url,
        AWS_ENDPOINT_URL_SFN: url,
      };
    },
    refused,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return guard;
}

/** S3 says that an object is missing only to whoever may list its bucket. */
function mayList(grants: readonly Grant[], questions: readonly Asked[]): boolean {
  return questions.every(({ action, resource }) => {
    const bucket = resource.split('/')[0] ?? '';
    return action !== 's3:GetObject' || allows(grants, { action: 's3:ListBucket', resource: bucket, keys: [] });
  });
}

async function pass(request: IncomingMessage, body: Buffer, to: URL, response: ServerResponse, hidesMissing: boolean): Promise<void> {
  const { host: _host, expect: _expect, 'transfer-encoding': _encoding, ...headers } = request.headers;
  await new Promise<void>((resolve, reject) => {
    const passed = send(
      {
        hostname: to.hostname,
        port: to.port,
        method: request.method,
        path: request.url,
        headers: { ...headers, 'content-length': body.length },
      },
      (answered) => {
        if (answered.statusCode === 404 && hidesMissing) {
          answered.resume();
          refuse('s3', [], response);
          resolve();
          return;
        }
        response.writeHead(answered.statusCode ?? 500, answered.headers);
        answered.pipe(response).once('finish', resolve).once('close', resolve);
      },
    );
    passed.once('error', reject);
    passed.end(body);
  });
}

const JSON_SERVICES = new Set(['dynamodb', 'kms', 'secretsmanager', 'states', 'lambda']);

function refuse(service: string, missing: readonly Asked[], response: ServerResponse): void {
  const message = `no identity-based policy allows ${missing.map(({ action, resource }) => `${action} on ${resource}`).join(', ')}`;
  if (JSON_SERVICES.has(service)) {
    response.writeHead(400, { 'content-type': 'application/x-amz-json-1.0', 'x-amzn-errortype': 'AccessDeniedException' });
    response.end(JSON.stringify({ __type: 'AccessDeniedException', message, Message: message }));
    return;
  }
  const error = `<Code>AccessDenied</Code><Message>${message}</Message>`;
  response.writeHead(403, { 'content-type': 'text/xml' });
  response.end(service === 's3' ? `<Error>${error}</Error>` : `<ErrorResponse><Error><Type>Sender</Type>${error}</Error></ErrorResponse>`);
}
