// The app behind `npx cdk`: both stages of `stages.ts`. `npx cdk deploy 'Dev/*'` brings one up.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { App, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks, NIST80053R5Checks } from 'cdk-nag';
import { bundleFunctions } from './bundle.ts';
import { parseTarget } from './parse-target.ts';
import { SallyportStage } from './stage.ts';
import { DEVELOPMENT, PRODUCTION } from './stages.ts';
import { TargetStack } from './target-stack.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const app = new App({
  analyticsReporting: false,
  // The command line looks at findings of stacks that it was asked for only; a finding in any of them stops ours.
  postCliContext: { '@aws-cdk/core:failSynthOnValidationErrors': true },
});
if (process.env['CDK_VALIDATION'] !== 'false') {
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app, { verbose: true }), new NIST80053R5Checks(app, { verbose: true }));
}
const target: unknown = app.node.tryGetContext('target');
if (typeof target === 'string') {
  // The account with the database needs nothing else of this app.
  new TargetStack(app, 'Target', { target: parseTarget(readFileSync(target, 'utf8')) });
  app.synth();
} else {
  const bundles = bundleFunctions(root);
  try {
    new SallyportStage(app, 'Dev', { stage: DEVELOPMENT, bundles });
    new SallyportStage(app, 'Prod', { stage: PRODUCTION, bundles });
    app.synth();
  } finally {
    bundles.remove();
  }
}
