// The state tables: one writer by role for each, single-item conditional writes, expiry checked in code.
import { RemovalPolicy } from 'aws-cdk-lib';
import { AttributeType, BillingMode, ProjectionType, Table, TableEncryption } from 'aws-cdk-lib/aws-dynamodb';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';
import { type Names, TABLES, type TableName } from './names.ts';

type KeyShape = { readonly partition: string; readonly sort?: { readonly name: string; readonly type: AttributeType } };

const ONE_ID: KeyShape = { partition: 'id' };

/** Keys of the tables that are not found by one id. */
const KEYS: Partial<Record<TableName, KeyShape>> = {
  journal: { partition: 'id', sort: { name: 'n', type: AttributeType.NUMBER } },
  sessions: { partition: 'writer', sort: { name: 'session', type: AttributeType.STRING } },
};

/** Approval requests, newest first for a page: items of other kinds carry no `kind` and are not in it. */
export const REQUESTS_INDEX = 'byKind';

/** DynamoDB removes items whose time is over some day; code never relies on it. */
export const TTL_ATTRIBUTE = 'ttl';

const RECOVERY_DAYS = 35;

/** Makes all tables in `scope`. */
export function makeTables(scope: Construct, names: Names, key: IKey, retain: boolean): void {
  for (const name of TABLES) {
    const { partition, sort } = KEYS[name] ?? ONE_ID;
    const table = new Table(scope, `${pascal(name)}Table`, {
      tableName: names.of(name),
      partitionKey: { name: partition, type: AttributeType.STRING },
      ...(sort === undefined ? {} : { sortKey: sort }),
      billingMode: BillingMode.PAY_PER_REQUEST,
      encryption: TableEncryption.CUSTOMER_MANAGED,
      encryptionKey: key,
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true, recoveryPeriodInDays: RECOVERY_DAYS },
      timeToLiveAttribute: TTL_ATTRIBUTE,
      deletionProtection: retain,
      removalPolicy: retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
    if (name === 'requests') {
      table.addGlobalSecondaryIndex({
        indexName: REQUESTS_INDEX,
        partitionKey: { name: 'kind', type: AttributeType.STRING },
        sortKey: { name: 'id', type: AttributeType.STRING },
        projectionType: ProjectionType.KEYS_ONLY,
      });
    }
    acknowledge(
      table,
      'Point-in-time recovery keeps 35 days to the second; what must last longer is sealed evidence in the lock bucket, not state.',
      'NIST.800.53.R5-DynamoDBInBackupPlan',
    );
  }
}

function pascal(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}
