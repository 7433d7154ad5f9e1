/** What a request asks of IAM: actions on resources, as AWS's service authorization reference has them. Throws for what it does not know. */
import type { IncomingMessage } from 'node:http';
import { textOf, type Json } from '../../support/state-machine/json-value.ts';
import { ACCOUNT, objectIn, REGION } from '../../support/synthesized-template.ts';

export type Asked = {
  readonly action: string;
  readonly resource: string;
  /** Partition keys of the items in a request to DynamoDB. */
  readonly keys: readonly string[];
};

/** The partition keys of our tables. */
const PARTITION_KEYS = ['id', 'writer'];

export function asked(service: string, request: IncomingMessage, body: Buffer): readonly Asked[] {
  const target = String(request.headers['x-amz-target'] ?? '').replace(/^.*\./u, '');
  switch (service) {
    case 'dynamodb':
      return ofDynamo(target, jsonIn(body));
    case 's3':
      return [ofS3(request)];
    case 'kms':
      return [one(`kms:${target}`, textOf(jsonIn(body)['KeyId']))];
    case 'secretsmanager':
      return [one(`secretsmanager:${target}`, textOf(jsonIn(body)['SecretId']))];
    case 'sns':
      return [ofForm('sns', 'TopicArn', body)];
    case 'sts':
      return ofSts(body);
    case 'lambda':
      return [one('lambda:InvokeFunction', functionArn(request))];
    case 'states':
      return [ofStates(target, jsonIn(body))];
    default:
      throw new Error(`nobody here knows what ${service} asks of IAM`);
  }
}

function ofDynamo(action: string, body: Record<string, Json>): readonly Asked[] {
  const table = (name: string): string => `arn:aws:dynamodb:${REGION}:${ACCOUNT}:table/${name}`;
  if (action === 'BatchGetItem') {
    return Object.entries(objectIn(body['RequestItems'])).map(([name]) => one(`dynamodb:${action}`, table(name)));
  }
  const item = objectIn(body['Key'] ?? body['Item'] ?? {});
  const keys = PARTITION_KEYS.flatMap((key) => {
    const value = objectIn(item[key] ?? {})['S'];
    return value === undefined ? [] : [textOf(value)];
  });
  const index = body['IndexName'];
  const resource = table(textOf(body['TableName'])) + (index === undefined ? '' : `/index/${textOf(index)}`);
  return [{ action: `dynamodb:${action}`, resource, keys: keys.slice(0, 1) }];
}

function ofS3(request: IncomingMessage): Asked {
  const { pathname, searchParams } = new URL(request.url ?? '', 'http://s3');
  const [bucket = '', ...rest] = pathname.slice(1).split('/').map(decodeURIComponent);
  const key = rest.join('/');
  const method = request.method ?? '';
  if (key === '' && method === 'GET' && searchParams.get('list-type') === '2') return one('s3:ListBucket', `arn:aws:s3:::${bucket}`);
  const action = { GET: 's3:GetObject', HEAD: 's3:GetObject', PUT: 's3:PutObject' }[method];
  if (action === undefined || key === '' || searchParams.has('uploads')) throw new Error(`nobody here knows ${method} ${request.url}`);
  return one(action, `arn:aws:s3:::${bucket}/${key}`);
}

/** A source identity and tags are actions of their own. */
function ofSts(body: Buffer): readonly Asked[] {
  const form = new URLSearchParams(body.toString());
  const resource = form.get('RoleArn') ?? '';
  const actions = [`sts:${form.get('Action') ?? ''}`];
  if (form.has('SourceIdentity')) actions.push('sts:SetSourceIdentity');
  if ([...form.keys()].some((name) => name.startsWith('Tags.'))) actions.push('sts:TagSession');
  return actions.map((action) => one(action, resource));
}

function ofForm(service: string, resource: string, body: Buffer): Asked {
  const form = new URLSearchParams(body.toString());
  return one(`${service}:${form.get('Action') ?? ''}`, form.get(resource) ?? '');
}

function ofStates(action: string, body: Record<string, Json>): Asked {
  // A task token names its execution; our only state machine is meant.
  const machine = `arn:aws:states:${REGION}:${ACCOUNT}:stateMachine:sallyport-prod-approval`;
  return one(`states:${action}`, body['stateMachineArn'] === undefined ? machine : textOf(body['stateMachineArn']));
}

function functionArn(request: IncomingMessage): string {
  const name = /\/functions\/([^/]+)\/invocations/u.exec(request.url ?? '')?.[1] ?? '';
  const decoded = decodeURIComponent(name);
  return decoded.startsWith('arn:') ? decoded : `arn:aws:lambda:${REGION}:${ACCOUNT}:function:${decoded}`;
}

function one(action: string, resource: string): Asked {
  return { action, resource, keys: [] };
}

function jsonIn(body: Buffer): Record<string, Json> {
  const parsed: Json = JSON.parse(body.toString());
  return { ...objectIn(parsed) };
}
