/** A stage as CloudFormation gets it, without bundling: for tests that read templates. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, type Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { SallyportStage } from '../../infra/stage.ts';
import type { StageProps } from '../../infra/stages.ts';

export const STACKS = ['network', 'evidence', 'state', 'control', 'proxy'] as const;
export type Lifetime = (typeof STACKS)[number];

export type Synthesized = { readonly stage: SallyportStage; readonly templates: Readonly<Record<Lifetime, Template>> };

/** Synthesizes with one empty handler for every function. */
export function synthesize(props: StageProps): Synthesized {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-empty-'));
  const outdir = mkdtempSync(join(tmpdir(), 'sallyport-out-'));
  writeFileSync(join(folder, 'handler.js'), 'export const handler = () => undefined;\n');
  try {
    const app = new App({ outdir, analyticsReporting: false });
    const stage = new SallyportStage(app, 'Stage', { stage: props, bundles: { folderOf: () => folder, remove: () => undefined } });
    const of = (stack: Stack): Template => Template.fromStack(stack);
    return {
      stage,
      templates: {
        network: of(stage.network),
        evidence: of(stage.evidence),
        state: of(stage.state),
        control: of(stage.control),
        proxy: of(stage.proxy),
      },
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
    rmSync(outdir, { recursive: true, force: true });
  }
}
