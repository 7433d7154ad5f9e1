/** What the two stages of the repository do not choose is as clean as what they do. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks, NIST80053R5Checks } from 'cdk-nag';
import { afterAll, expect, test } from 'vitest';
import { SallyportStage } from '../../infra/stage.ts';
import { DEVELOPMENT, PRODUCTION, type StageProps } from '../../infra/stages.ts';
import { cdkContext } from './synthesized.ts';

const folders: string[] = [];
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

function made(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `sallyport-${name}-`));
  folders.push(folder);
  return folder;
}

const APART: StageProps = {
  ...PRODUCTION,
  account: '111111111111',
  organizationId: 'o-abcdefghij',
  breakGlassRoleArn: 'arn:aws:iam::222222222222:role/break-glass',
  logAccount: {
    account: '222222222222',
    signingKeyArn: 'arn:aws:kms:us-east-1:222222222222:key/21111111-2222-3333-4444-555555555555',
    dataKeyArn: 'arn:aws:kms:us-east-1:222222222222:key/11111111-2222-3333-4444-555555555555',
  },
  internetFacing: true,
  proxyProtocol: 'v2',
  targetAccounts: ['333333333333', '444444444444'],
  alarmEmails: ['operators@bank.example'],
  saml: {
    metadataUrl: 'https://idp.bank.example/metadata',
    domainPrefix: 'sallyport',
    callbackUrls: ['https://sallyport.bank.example/sign-in'],
  },
  codeSigningProfileVersionArns: ['arn:aws:signer:us-east-1:111111111111:/signing-profiles/Sallyport/abcdefghij'],
  permissionsBoundaryArn: 'arn:aws:iam::111111111111:policy/boundary',
};

const BORROWED: StageProps = {
  ...DEVELOPMENT,
  instance: 'borrowed',
  account: '111111111111',
  ssh: false,
  vpc: {
    kind: 'existing',
    vpcId: 'vpc-0123456789abcdef0',
    cidr: '10.9.0.0/16',
    availabilityZones: ['us-east-1a', 'us-east-1b', 'us-east-1c'],
    privateSubnetIds: ['subnet-0a23456789abcdef0', 'subnet-0b23456789abcdef0', 'subnet-0c23456789abcdef0'],
    privateRouteTableIds: ['rtb-0a23456789abcdef0', 'rtb-0b23456789abcdef0', 'rtb-0c23456789abcdef0'],
    endpoints: true,
  },
  keys: {
    dataKeyArn: 'arn:aws:kms:us-east-1:111111111111:key/11111111-2222-3333-4444-555555555555',
    bundleKeyArn: 'arn:aws:kms:us-east-1:111111111111:key/31111111-2222-3333-4444-555555555555',
    sshCaKeyArn: 'arn:aws:kms:us-east-1:111111111111:key/41111111-2222-3333-4444-555555555555',
  },
  domain: { zoneId: 'Z0123', zoneName: 'bank.example', gateway: 'gateway.bank.example', console: 'sallyport.bank.example' },
};

test.each([
  ['evidence, targets and people of other accounts', APART],
  ['a network, keys and names of the company', BORROWED],
])('cdk-nag finds nothing in a stage with %s', (_, stage) => {
  const folder = made('handler');
  writeFileSync(join(folder, 'handler.js'), 'export const handler = () => undefined;\n');
  const app = new App({ outdir: made('out'), analyticsReporting: false, stackTraces: false, context: cdkContext() });
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app), new NIST80053R5Checks(app));
  const { control } = new SallyportStage(app, 'Stage', { stage, bundles: { folderOf: () => folder, remove: () => undefined } });
  expect(() => app.synth()).not.toThrow();
  expect(control.stackName).toBe(`sallyport-${stage.instance}-control`);
});
