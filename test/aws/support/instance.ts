/**
 * One instance in the emulator, made from the synthesized templates' own properties: tables, buckets, keys, secrets and topics as
 * they would be deployed, and for each deployable exactly the environment that it would have.
 */
import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  CreateTableCommand,
  DynamoDBClient,
  UpdateTimeToLiveCommand,
  type CreateTableCommandInput,
  type UpdateTimeToLiveCommandInput,
} from '@aws-sdk/client-dynamodb';
import { CreateAliasCommand, CreateKeyCommand, KMSClient, type CreateKeyCommandInput } from '@aws-sdk/client-kms';
import {
  CreateBucketCommand,
  PutBucketVersioningCommand,
  PutObjectLockConfigurationCommand,
  S3Client,
  type ObjectLockConfiguration,
} from '@aws-sdk/client-s3';
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { CreateTopicCommand, SNSClient } from '@aws-sdk/client-sns';
import { isObject, textOf, type Json, type JsonObject } from '../../support/state-machine/json-value.ts';
import { objectIn, type Resource, type SynthesizedTemplates } from '../../support/synthesized-template.ts';
import { synthesized } from './synthesized.ts';

type Environment = Readonly<Record<string, string>>;

export type Instance = {
  readonly templates: SynthesizedTemplates;
  /** What is deployed as functions: by name, with the code that is shipped. */
  readonly functions: readonly {
    readonly name: string;
    readonly file: string;
    readonly environment: Environment;
    readonly timeoutMs: number;
  }[];
  /** What a task of the proxy is given. */
  readonly task: Environment;
  /** Definitions of state machines by their ARNs. */
  readonly stateMachines: Readonly<Record<string, unknown>>;
  /** Every variable that some deployable is given. */
  readonly all: Environment;
};

export type InstanceOptions = {
  /** Values of secrets by the ends of their names: `tls`, `slack`, `ssh-host-key` as text; keys for digests and masks are random. */
  readonly secrets?: Readonly<Record<string, unknown>>;
  /** Parameters that only a deployment knows. */
  readonly parameters?: Readonly<Record<string, string>>;
};

const PARAMETERS = { ConsoleHost: 'sallyport.bank.example', ImageDigest: `sha256:${'0'.repeat(64)}`, Generation: '1' };

/** Makes everything in the emulator. Call `useMoto` first. */
export async function deployInstance(options: InstanceOptions = {}): Promise<Instance> {
  const { templates, folder } = synthesized();
  for (const { stack } of templates.resources) {
    for (const [name, value] of Object.entries({ ...PARAMETERS, ...options.parameters })) templates.give(stack, name, 'Ref', value);
  }
  for (const key of templates.ofType('AWS::KMS::Key')) await makeKey(templates, key);
  for (const alias of templates.ofType('AWS::KMS::Alias')) await makeAlias(templates, alias);
  for (const table of templates.ofType('AWS::DynamoDB::Table')) await makeTable(templates.properties(table));
  for (const bucket of templates.ofType('AWS::S3::Bucket')) await makeBucket(bucket, templates);
  for (const secret of templates.ofType('AWS::SecretsManager::Secret')) await makeSecret(templates, secret, options.secrets ?? {});
  for (const topic of templates.ofType('AWS::SNS::Topic')) await makeTopic(templates, topic);

  const functions = templates.ofType('AWS::Lambda::Function').map((resource) => {
    const resolve = (name: string): Json => templates.resolve(resource.properties[name] ?? null, resource.stack);
    const key = textOf(objectIn(resolve('Code'))['S3Key']);
    return {
      name: textOf(resolve('FunctionName')),
      file: handlerIn(folder, key.slice(0, key.indexOf('.'))),
      environment: texts(objectIn(resolve('Environment'))['Variables']),
      timeoutMs: Number(resolve('Timeout')) * 1000,
    };
  });
  const task = taskEnvironment(templates);
  const stateMachines = templates.ofType('AWS::StepFunctions::StateMachine').map((resource) => {
    const definition = templates.resolve(resource.properties['DefinitionString'] ?? null, resource.stack);
    const arn = templates.resolve({ Ref: resource.id }, resource.stack);
    return [textOf(arn), JSON.parse(textOf(definition))] as const;
  });
  const all = Object.fromEntries([task, ...functions.map(({ environment }) => environment)].flatMap(Object.entries<string>));
  return { templates, functions, task, stateMachines: Object.fromEntries(stateMachines), all };
}

type TableFields =
  | 'TableName'
  | 'KeySchema'
  | 'AttributeDefinitions'
  | 'BillingMode'
  | 'GlobalSecondaryIndexes'
  | 'TimeToLiveSpecification';

async function makeTable(properties: JsonObject): Promise<void> {
  const client = new DynamoDBClient({});
  // CloudFormation's properties have the names and shapes of the API that they are for; here and below.
  const asked = properties as JsonObject & Pick<CreateTableCommandInput & UpdateTimeToLiveCommandInput, TableFields>;
  const { TableName, KeySchema, AttributeDefinitions, BillingMode, GlobalSecondaryIndexes, TimeToLiveSpecification: ttl } = asked;
  await client.send(
    new CreateTableCommand({
      TableName,
      KeySchema,
      AttributeDefinitions,
      BillingMode,
      ...(GlobalSecondaryIndexes === undefined ? {} : { GlobalSecondaryIndexes }),
    }),
  );
  if (ttl !== undefined) {
    const TimeToLiveSpecification = { AttributeName: ttl.AttributeName, Enabled: Boolean(ttl.Enabled) };
    await client.send(new UpdateTimeToLiveCommand({ TableName, TimeToLiveSpecification }));
  }
}

async function makeKey(templates: SynthesizedTemplates, { stack, id, properties }: Resource): Promise<void> {
  // As above.
  const { KeySpec, KeyUsage } = properties as CreateKeyCommandInput;
  const { KeyMetadata } = await new KMSClient({}).send(
    new CreateKeyCommand({ ...(KeySpec === undefined ? {} : { KeySpec }), ...(KeyUsage === undefined ? {} : { KeyUsage }) }),
  );
  templates.give(stack, id, 'Arn', present(KeyMetadata?.Arn));
  templates.give(stack, id, 'Ref', present(KeyMetadata?.KeyId));
}

async function makeAlias(templates: SynthesizedTemplates, { stack, properties }: Resource): Promise<void> {
  const read = (name: string): string => textOf(templates.resolve(properties[name] ?? null, stack));
  await new KMSClient({}).send(new CreateAliasCommand({ AliasName: read('AliasName'), TargetKeyId: read('TargetKeyId') }));
}

async function makeBucket({ stack, properties }: Resource, templates: SynthesizedTemplates): Promise<void> {
  const resolve = (name: string): Json => templates.resolve(properties[name] ?? null, stack);
  const client = new S3Client({ forcePathStyle: true });
  const Bucket = textOf(resolve('BucketName'));
  const locks = resolve('ObjectLockEnabled') === true;
  await client.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: locks }));
  if (locks) {
    // As above.
    const ObjectLockConfiguration = resolve('ObjectLockConfiguration') as ObjectLockConfiguration;
    await client.send(new PutObjectLockConfigurationCommand({ Bucket, ObjectLockConfiguration }));
  } else if (objectIn(resolve('VersioningConfiguration'))['Status'] === 'Enabled') {
    await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }));
  }
}

async function makeSecret(
  templates: SynthesizedTemplates,
  { stack, id, properties }: Resource,
  given: Readonly<Record<string, unknown>>,
): Promise<void> {
  const key = (): string => randomBytes(32).toString('base64');
  const Name = textOf(templates.resolve(properties['Name'] ?? null, stack));
  const [, value] = Object.entries(given).find(([ending]) => Name.endsWith(`-${ending}`)) ?? [
    '',
    { digest: key(), maskHash: key(), maskTokenize: key() },
  ];
  const SecretString = typeof value === 'string' ? value : JSON.stringify(value);
  const { ARN } = await new SecretsManagerClient({}).send(new CreateSecretCommand({ Name, SecretString }));
  templates.give(stack, id, 'Ref', present(ARN));
}

async function makeTopic(templates: SynthesizedTemplates, { stack, id, properties }: Resource): Promise<void> {
  const Name = textOf(templates.resolve(properties['TopicName'] ?? null, stack));
  const { TopicArn } = await new SNSClient({}).send(new CreateTopicCommand({ Name }));
  templates.give(stack, id, 'Ref', present(TopicArn));
  templates.give(stack, id, 'TopicArn', present(TopicArn));
}

function taskEnvironment(templates: SynthesizedTemplates): Environment {
  const [task, ...others] = templates.ofType('AWS::ECS::TaskDefinition');
  if (task === undefined || others.length > 0) throw new Error('there is not one task definition');
  const containers = task.properties['ContainerDefinitions'];
  const [container] = Array.isArray(containers) ? containers.filter((each: Json) => isObject(each)) : [];
  const environment = templates.resolve(container?.['Environment'] ?? null, task.stack);
  const entries = Array.isArray(environment) ? environment.filter((each: Json) => isObject(each)) : [];
  return Object.fromEntries(entries.map(({ Name, Value }) => [textOf(Name), textOf(Value)]));
}

/** The module of an asset: what the runtime would load for `handler.handler`. */
function handlerIn(folder: string, asset: string): string {
  const found = readdirSync(folder, { recursive: true, encoding: 'utf8' }).find((path) =>
    new RegExp(`asset\\.${asset}/handler\\.m?js$`).test(path),
  );
  if (found === undefined) throw new Error(`no handler in asset ${asset}`);
  return join(folder, found);
}

function texts(value: Json | undefined): Environment {
  return Object.fromEntries(Object.entries(objectIn(value)).map(([name, each]) => [name, textOf(each)]));
}

function present(value: string | undefined): string {
  if (value === undefined) throw new Error('the emulator made something without a name');
  return value;
}
