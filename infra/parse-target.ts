import type { SallyportTargetProps } from './constructs/sallyport-target.ts';

/** Reads the file that describes a target. Throws naming the field that is missing or wrong. */
export function parseTarget(text: string): SallyportTargetProps {
  const file: unknown = JSON.parse(text);
  const access = field(file, 'access');
  const kind = textOf(access, 'kind', /^(?:rdsIam|secret)$/u);
  return {
    instance: textOf(file, 'instance', /^[a-z][a-z0-9-]{1,18}[a-z0-9]$/u),
    target: textOf(file, 'target', /^[a-z0-9][a-z0-9_-]{0,31}$/u),
    rolePath: textOf(file, 'rolePath', /^\/(?:[\w+=,.@-]+\/)*$/u),
    issuerRoleArn: textOf(file, 'issuerRoleArn', /^arn:aws[a-z-]*:iam::\d{12}:role\/.+$/u),
    externalId: textOf(file, 'externalId', /^[\w+=,.@:/-]{2,1224}$/u),
    access:
      kind === 'rdsIam'
        ? { kind, databaseUserArn: textOf(access, 'databaseUserArn', /^arn:aws[a-z-]*:rds-db:[a-z0-9-]+:\d{12}:dbuser:[^/*]+\/[^/*]+$/u) }
        : {
            kind: 'secret',
            secretArn: textOf(access, 'secretArn', /^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[^*]+$/u),
            ...(field(access, 'keyArn') === undefined ? {} : { keyArn: textOf(access, 'keyArn', /^arn:aws[a-z-]*:kms:[^*]+$/u) }),
          },
  };
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Object.getOwnPropertyDescriptor(value, name)?.value : undefined;
}

function textOf(value: unknown, name: string, shape: RegExp): string {
  const text = field(value, name);
  if (typeof text !== 'string' || !shape.test(text)) throw new Error(`target file: ${name} is missing or not of the shape ${shape.source}`);
  return text;
}
