/** The app as `npx cdk synth` runs it: alike each time, without network and credentials, and without a finding. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { App, Stack, Stage, Validations } from 'aws-cdk-lib';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { AwsSolutionsChecks } from 'cdk-nag';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);

/** No credentials, no region, no home with a profile, and a proxy that nobody answers at for whatever would go out. */
const ALONE = {
  PATH: process.env['PATH'] ?? '',
  HOME: tmpdir(),
  AWS_EC2_METADATA_DISABLED: 'true',
  HTTPS_PROXY: 'http://127.0.0.1:9',
  HTTP_PROXY: 'http://127.0.0.1:9',
};

function hashes(folder: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    found[path.slice(folder.length + 1)] = createHash('sha256').update(readFileSync(path)).digest('hex');
  }
  return found;
}

describe('synthesis', () => {
  const folders = ['first', 'second'].map((name) => mkdtempSync(join(tmpdir(), `sallyport-${name}-`)));
  beforeAll(async () => {
    const app = { cwd: ROOT, timeout: 180_000 };
    // As the command line does, which adds nothing but the context of cdk.json and the folder.
    const context = JSON.stringify(JSON.parse(readFileSync(join(ROOT, 'cdk.json'), 'utf8')).context);
    for (const folder of folders) {
      await run(process.execPath, ['--import', 'tsx', 'infra/app.ts'], {
        ...app,
        env: { ...ALONE, CDK_OUTDIR: folder, CDK_CONTEXT_JSON: context },
      });
    }
  }, 240_000);
  afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

  test('two processes write the same bytes, and cdk-nag finds nothing in either stage', () => {
    const [first = {}, second = {}] = folders.map(hashes);
    expect(Object.keys(first).filter((path) => path.endsWith('.template.json'))).toHaveLength(10);
    expect(second).toEqual(first);
  });

  test('nothing is looked up: the committed context has no answer of an account', () => {
    expect(readFileSync(join(ROOT, 'cdk.context.json'), 'utf8').trim()).toBe('{}');
    for (const folder of folders) {
      const manifests = Object.keys(hashes(folder)).filter((path) => path.endsWith('manifest.json'));
      for (const path of manifests) expect(JSON.parse(readFileSync(join(folder, path), 'utf8')).missing, path).toBeUndefined();
    }
  });

  test('no path of the machine is in what is deployed', () => {
    for (const folder of folders) {
      for (const path of Object.keys(hashes(folder))) {
        // The metadata beside it names source lines, for messages of the command line.
        if (/\.template\.json$|\.assets\.json$/u.test(path))
          expect(readFileSync(join(folder, path), 'utf8'), path).not.toMatch(/\/tmp\/|\/work\/|\/home\//u);
      }
    }
  });
});

test('a finding without a reason stops synthesis', () => {
  const outdir = mkdtempSync(join(tmpdir(), 'sallyport-nag-'));
  const app = new App({ outdir, analyticsReporting: false });
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  const { bucketName } = new Bucket(new Stack(new Stage(app, 'Any'), 'Any'), 'Careless');
  expect(bucketName).toBeDefined();
  const before = process.exitCode;
  try {
    let stopped = false;
    try {
      app.synth();
    } catch {
      stopped = true;
    }
    expect(stopped || process.exitCode === 1).toBe(true);
  } finally {
    process.exitCode = before;
    rmSync(outdir, { recursive: true, force: true });
  }
});
