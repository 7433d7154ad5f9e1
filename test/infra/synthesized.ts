/** A stage as CloudFormation gets it, without bundling: for tests that read templates. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, type Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { SallyportStage } from '../../infra/stage.ts';
import type { StageProps } from '../../infra/stages.ts';

export const STACKS = ['network', 'evidence', 'state', 'control', 'proxy'] as const;
export type Lifetime = (typeof STACKS)[number];

export type Synthesized = { readonly stage: SallyportStage; readonly templates: Readonly<Record<Lifetime, Template>> };

export type Resource = { readonly type: string; readonly id: string; readonly properties: Readonly<Record<string, unknown>> };

/** Synthesizes with one empty handler for every function. */
export function synthesize(props: StageProps): Synthesized {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-empty-'));
  const outdir = mkdtempSync(join(tmpdir(), 'sallyport-out-'));
  writeFileSync(join(folder, 'handler.js'), 'export const handler = () => undefined;\n');
  try {
    const app = new App({ outdir, analyticsReporting: false, context: cdkContext() });
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

/** The switches of cdk.json, which the command line hands to the app. */
export function cdkContext(): Record<string, unknown> {
  return JSON.parse(readFileSync(new URL('../../cdk.json', import.meta.url), 'utf8')).context;
}

export function resources(template: Template, type: string): Resource[] {
  return Object.entries(template.findResources(type)).map(([id, found]) => ({ type, id, properties: found['Properties'] ?? {} }));
}

/** Text of a value of a template: what is only known when deploying is written as `<Name>`. */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null) return String(value);
  const node: Record<string, unknown> = { ...value };
  if ('Ref' in node) return `<${textOf(node['Ref'])}>`;
  if (Array.isArray(node['Fn::GetAtt'])) return `<${node['Fn::GetAtt'].map(textOf).join('.')}>`;
  if (Array.isArray(node['Fn::Join'])) {
    const [delimiter, items] = node['Fn::Join'];
    return Array.isArray(items) ? items.map(textOf).join(textOf(delimiter)) : '';
  }
  return JSON.stringify(value);
}

export type PolicyLine = {
  readonly effect: string;
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  readonly conditions: unknown;
};

export function policyLines(document: unknown): PolicyLine[] {
  const statements: unknown = Object(document)['Statement'];
  if (!Array.isArray(statements)) throw new Error('no policy document');
  return statements.map((statement: Record<string, unknown>) => ({
    effect: textOf(statement['Effect']),
    actions: listOf(statement['Action']).map(textOf),
    resources: listOf(statement['Resource']).map(textOf),
    conditions: statement['Condition'],
  }));
}

/** What the policy of the role `sallyport-<instance>-<noun>` allows. */
export function grants(template: Template, noun: string): PolicyLine[] {
  const policy = resources(template, 'AWS::IAM::ManagedPolicy').find(
    ({ properties }) => textOf(properties['ManagedPolicyName']).replace(/^sallyport-[a-z]+-/u, '') === noun,
  );
  if (policy === undefined) throw new Error(`no policy for ${noun}`);
  return policyLines(policy.properties['PolicyDocument']);
}

export function grantedActions(template: Template, noun: string): ReadonlySet<string> {
  return new Set(grants(template, noun).flatMap(({ actions }) => actions));
}

export function functionNamed(template: Template, name: string): Resource {
  const found = resources(template, 'AWS::Lambda::Function').find(
    ({ properties }) => textOf(properties['FunctionName']).replace(/^sallyport-[a-z]+-/u, '') === name,
  );
  if (found === undefined) throw new Error(`no function ${name}`);
  return found;
}

export function variablesOfFunction(template: Template, name: string): string[] {
  return Object.keys(Object(Object(functionNamed(template, name).properties['Environment'])['Variables']));
}

export function variablesOfContainer(template: Template): string[] {
  const [task] = resources(template, 'AWS::ECS::TaskDefinition');
  const [container] = listOf(task?.properties['ContainerDefinitions']);
  return listOf(Object(container)['Environment']).map((variable) => textOf(Object(variable)['Name']));
}

export function listOf(value: unknown): unknown[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}
