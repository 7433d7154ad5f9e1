import type { SallyportTargetProps } from './constructs/sallyport-target.ts';

/** Reads the file that describes a target. Throws naming the field that is missing or wrong. */
export function parseTarget(text: string): SallyportTargetProps {
  const file: unknown = JSON.parse(text);
  const access = field(file, 'access');
  return {
    instance: textOf(file, 'instance', /^[a-z][a-z0-9-]{1,18}[a-z0-9]$/u),
    target: textOf(file, 'target', /^[a-z0-9][a-z0-9_-]{0,31}$/u),
    rolePath: textOf(file, 'rolePath', /^\/(?:[\w+=,.@-]+\/)*$/u),
    issuerRoleArn: textOf(file, 'issuerRoleArn', /^arn:aws[a-z-]*:iam::\d{12}:role\/.+$/u),
    externalId: textOf(file, 'externalId', /^[\w+=,.@:/-]{2,1224}$/u),
    access: accessOf(access),
  };
}

function accessOf(access: unknown): SallyportTargetProps['access'] {
  switch (textOf(access, 'kind', /^(?:rdsIam|secret|instanceConnect)$/u)) {
    case 'rdsIam':
      return {
        kind: 'rdsIam',
        databaseUserArn: textOf(access, 'databaseUserArn', /^arn:aws[a-z-]*:rds-db:[a-z0-9-]+:\d{12}:dbuser:[^/*]+\/[^/*]+$/u),
      };
    case 'instanceConnect': {
      const accounts = field(access, 'accounts');
      const named = Array.isArray(accounts) ? accounts.map((account: unknown) => textOf({ accounts: account }, 'accounts', ACCOUNT)) : [];
      if (named.length === 0) throw new Error('target file: accounts is missing or empty');
      return {
        kind: 'instanceConnect',
        instanceArn: textOf(access, 'instanceArn', /^arn:aws[a-z-]*:ec2:[a-z0-9-]+:\d{12}:instance\/i-[0-9a-f]{8,17}$/u),
        accounts: named,
      };
    }
    default:
      return {
        kind: 'secret',
        secretArn: textOf(access, 'secretArn', /^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[^*]+$/u),
        ...(field(access, 'keyArn') === undefined ? {} : { keyArn: textOf(access, 'keyArn', /^arn:aws[a-z-]*:kms:[^*]+$/u) }),
      };
  }
}

/** As EC2 Instance Connect has them; without wildcards. */
const ACCOUNT = /^[A-Za-z_][A-Za-z0-9@._-]{0,30}[A-Za-z0-9$_-]?$/u;

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Object.getOwnPropertyDescriptor(value, name)?.value : undefined;
}

function textOf(value: unknown, name: string, shape: RegExp): string {
  const text = field(value, name);
  if (typeof text !== 'string' || !shape.test(text)) throw new Error(`target file: ${name} is missing or not of the shape ${shape.source}`);
  return text;
}
