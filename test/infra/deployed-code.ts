/** What a deployable holds once it is bundled: the AWS commands that its code can send, and the settings that it asks for. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSync } from 'esbuild';

export type DeployedCode = {
  /** As IAM names them. */
  readonly actions: ReadonlySet<string>;
  /** `SALLYPORT_…` names in its sources. */
  readonly variables: ReadonlySet<string>;
  /** Our own files in it. */
  readonly files: readonly string[];
};

const COMMAND = /^node_modules\/@aws-sdk\/client-([a-z0-9-]+)\/.*\/commands\/(\w+)Command\.js$/u;

/** Commands that a client holds for itself: endpoint discovery, which is off, and directory buckets, which we have none of. */
const OF_THE_CLIENT = new Set(['dynamodb:DescribeEndpoints', 's3:CreateSession']);

/** Where IAM calls the service or the action otherwise. */
const SERVICES: Readonly<Record<string, string>> = { 'secrets-manager': 'secretsmanager', sfn: 'states' };
const ACTIONS: Readonly<Record<string, string>> = {
  'lambda:Invoke': 'lambda:InvokeFunction',
  's3:HeadObject': 's3:GetObject',
  's3:ListObjectsV2': 's3:ListBucket',
};

/** Reads the bundle of one entry, as esbuild's tree shaking leaves it. */
export function deployedCode(root: string, entry: string): DeployedCode {
  const { metafile } = buildSync({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    minifySyntax: true,
    mainFields: ['module', 'main'],
    external: ['@cedar-policy/*', 'libpg-query-*', 'pg-native', 'ssh2', 'tsx'],
    metafile: true,
    logLevel: 'error',
  });
  const inputs = Object.values(metafile.outputs).flatMap(({ inputs }) =>
    Object.entries(inputs).flatMap(([path, { bytesInOutput }]) => (bytesInOutput > 0 ? [path] : [])),
  );
  const actions = inputs.flatMap((path) => {
    const [, client = '', command = ''] = COMMAND.exec(path) ?? [];
    const action = `${SERVICES[client] ?? client}:${command}`;
    return command === '' || OF_THE_CLIENT.has(action) ? [] : [ACTIONS[action] ?? action];
  });
  const files = inputs.filter((path) => !path.startsWith('node_modules/'));
  const variables = files.flatMap((path) => readFileSync(join(root, path), 'utf8').match(/(?<=['"])SALLYPORT_[A-Z_]+(?=['"])/gu) ?? []);
  return { actions: new Set(actions), variables: new Set(variables), files };
}
