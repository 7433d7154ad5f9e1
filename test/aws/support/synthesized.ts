/** The app as `npx cdk synth` makes it: once for a whole run, for every suite that builds on it. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readTemplates, type SynthesizedTemplates } from '../../support/synthesized-template.ts';

const ROOT = join(import.meta.dirname, '../../..');
const SYNTH_TIMEOUT_MS = 180_000;

export type Assembly = {
  readonly templates: SynthesizedTemplates;
  /** Where the bundled code of functions lies. */
  readonly folder: string;
};

/** Templates of the production stage, and their assets. Throws what synthesis says where it fails. */
export function synthesized(): Assembly {
  const run = process.env['SALLYPORT_TEST_RUN'];
  if (run === undefined) throw new Error('start this suite with npm run test:aws');
  const output = join(run, 'cdk.out');
  if (!existsSync(join(output, 'manifest.json'))) {
    const ran = spawnSync('npx', ['cdk', 'synth', '--quiet', '--output', output], {
      cwd: ROOT,
      encoding: 'utf8',
      timeout: SYNTH_TIMEOUT_MS,
      // cdk-nag looks at the same templates in `npx cdk synth`.
      env: { ...process.env, CDK_VALIDATION: 'false' },
    });
    if (ran.status !== 0) throw new Error(`npx cdk synth failed: ${ran.stdout}${ran.stderr}`);
  }
  return { templates: readTemplates(output, (stack) => stack.startsWith('Prod')), folder: output };
}
