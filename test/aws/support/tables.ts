/** The state, buckets, keys and secrets of one instance in the emulator, and the environment that names them. */
import { randomBytes } from 'node:crypto';
import {
  CreateTableCommand,
  DynamoDBClient,
  type AttributeDefinition,
  type GlobalSecondaryIndex,
  type KeySchemaElement,
} from '@aws-sdk/client-dynamodb';
import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { CreateBucketCommand, PutObjectLockConfigurationCommand, S3Client } from '@aws-sdk/client-s3';
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { CreateTopicCommand, SNSClient } from '@aws-sdk/client-sns';

export type InstanceEnvironment = Readonly<Record<string, string>>;

type Keys = readonly (readonly [name: string, type: 'S' | 'N'])[];

const BY_ID: Keys = [['id', 'S']];

const TABLES: Readonly<Record<string, Keys>> = {
  JOURNAL: [
    ['id', 'S'],
    ['n', 'N'],
  ],
  WRITERS: BY_ID,
  SESSIONS: [
    ['writer', 'S'],
    ['session', 'S'],
  ],
  CONTROL: BY_ID,
  CANCELS: BY_ID,
  REQUESTS: BY_ID,
  DECISIONS: BY_ID,
  NOTICES: BY_ID,
  CLAIMS: BY_ID,
  BUDGETS: BY_ID,
  SIGNIN: BY_ID,
  SEAL: BY_ID,
};

const BY_KIND: Keys = [['kind', 'S']];
const LISTED: GlobalSecondaryIndex = {
  IndexName: 'byKind',
  KeySchema: [
    { AttributeName: 'kind', KeyType: 'HASH' },
    { AttributeName: 'id', KeyType: 'RANGE' },
  ],
  Projection: { ProjectionType: 'KEYS_ONLY' },
};

/** Makes everything; the environment has the names that the deployables read. Call `useMoto` first. */
export async function makeInstance(instance = 'test'): Promise<InstanceEnvironment> {
  const environment: Record<string, string> = { SALLYPORT_INSTANCE: instance };
  const dynamo = new DynamoDBClient({});
  for (const [name, keys] of Object.entries(TABLES)) {
    const table = `${instance}-${name.toLowerCase()}`;
    await dynamo.send(
      new CreateTableCommand({
        TableName: table,
        BillingMode: 'PAY_PER_REQUEST',
        KeySchema: keys.map(([attribute], at): KeySchemaElement => ({ AttributeName: attribute, KeyType: at === 0 ? 'HASH' : 'RANGE' })),
        AttributeDefinitions: [...keys, ...(name === 'REQUESTS' ? BY_KIND : [])].map(([attribute, type]): AttributeDefinition => ({
          AttributeName: attribute,
          AttributeType: type,
        })),
        // Approvals, newest first.
        ...(name === 'REQUESTS' ? { GlobalSecondaryIndexes: [LISTED] } : {}),
      }),
    );
    environment[`SALLYPORT_${name}_TABLE`] = table;
  }
  const s3 = new S3Client({ forcePathStyle: true });
  for (const name of ['EVIDENCE', 'STAGING', 'CONFIG']) {
    const bucket = `${instance}-${name.toLowerCase()}`;
    const locked = name === 'EVIDENCE';
    await s3.send(new CreateBucketCommand({ Bucket: bucket, ObjectLockEnabledForBucket: locked }));
    if (locked) {
      await s3.send(
        new PutObjectLockConfigurationCommand({
          Bucket: bucket,
          ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled', Rule: { DefaultRetention: { Mode: 'COMPLIANCE', Days: 1 } } },
        }),
      );
    }
    environment[`SALLYPORT_${name}_BUCKET`] = bucket;
  }
  const kms = new KMSClient({});
  for (const name of ['EVIDENCE', 'BUNDLE']) {
    const made = await kms.send(new CreateKeyCommand({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' }));
    environment[`SALLYPORT_${name}_KEY_ARN`] = present(made.KeyMetadata?.Arn);
  }
  const key = (): string => randomBytes(32).toString('base64');
  const secret = await new SecretsManagerClient({}).send(
    new CreateSecretCommand({
      Name: `${instance}/keys`,
      SecretString: JSON.stringify({ digest: key(), maskHash: key(), maskTokenize: key() }),
    }),
  );
  environment['SALLYPORT_SECRETS_ARN'] = present(secret.ARN);
  const topic = await new SNSClient({}).send(new CreateTopicCommand({ Name: `${instance}-notices` }));
  environment['SALLYPORT_NOTICE_TOPIC_ARN'] = present(topic.TopicArn);
  return environment;
}

function present(value: string | undefined): string {
  if (value === undefined) throw new Error('the emulator made something without a name');
  return value;
}
