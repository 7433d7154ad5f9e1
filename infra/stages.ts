/** What the stages are, and all that a platform team may choose. A value that only the account knows is a parameter of its stack. */
export type StageProps = DevelopmentStage | ProductionStage;

/** A stage whose evidence can be removed again: COMPLIANCE cannot be written here. */
export type DevelopmentStage = StageChoices & {
  readonly kind: 'development';
  readonly retention: { readonly mode: 'GOVERNANCE'; readonly days: number };
};

/** A stage whose evidence nobody can shorten or delete until its time has come, the account's owner included. */
export type ProductionStage = StageChoices & {
  readonly kind: 'production';
  readonly retention: { readonly mode: 'COMPLIANCE'; readonly days: number };
};

export type StageChoices = {
  /** Part of every physical name, and the checkpoints' origin is `sallyport/<instance>`. */
  readonly instance: string;
  readonly region: string;
  /** Absent: the account of whoever deploys. */
  readonly account?: string;
  /** Evidence in an account of its own. Its stack is deployed first and says the two ARNs. */
  readonly logAccount?: { readonly account: string; readonly signingKeyArn: string; readonly dataKeyArn: string };
  /** Narrows what the evidence's policies admit to one organization. */
  readonly organizationId?: string;
  readonly vpc: OwnVpc | ExistingVpc;
  /** Short names of further AWS services to have an endpoint for, such as a target's own; each costs by the hour. */
  readonly moreEndpoints?: readonly string[];
  /** Where agents connect from. */
  readonly clientCidrs: readonly string[];
  /** Where targets are, and on which ports. */
  readonly targets: readonly { readonly cidr: string; readonly port: number }[];
  /** PROXY v2 keeps the client's address through PrivateLink and Transit Gateway. */
  readonly proxyProtocol: 'off' | 'v2';
  readonly internetFacing: boolean;
  readonly ssh: boolean;
  /** Names in a zone of Route 53; without it the console's host name is a parameter. */
  readonly domain?: { readonly zoneId: string; readonly zoneName: string; readonly gateway: string; readonly console: string };
  readonly tasks: { readonly min: number; readonly max: number; readonly sessionsPerTask: number };
  /** Accounts with target roles (`SallyportTarget`); the stage's own where empty. */
  readonly targetAccounts: readonly string[];
  readonly slack: boolean;
  /** A user pool that federates a SAML provider, for a company without an OIDC issuer. */
  readonly saml?: { readonly metadataUrl: string; readonly domainPrefix: string; readonly callbackUrls: readonly string[] };
  /** Keys of the company's own; ours are made where absent. */
  readonly keys?: { readonly dataKeyArn?: string; readonly bundleKeyArn?: string; readonly sshCaKeyArn?: string };
  /** The one role that may disable or delete the key that signs evidence. */
  readonly breakGlassRoleArn?: string;
  /** Secrets Manager secret with the certificate that the proxy presents; made empty where absent. */
  readonly tlsSecretArn?: string;
  readonly consoleCertificateArn?: string;
  /** `sha256:…` of the proxy's image; a parameter where absent. */
  readonly imageDigest?: string;
  /** Repository of the image; one is made where absent. */
  readonly imageRepositoryArn?: string;
  readonly permissionsBoundaryArn?: string;
  /** Path of every role and policy, with both slashes. */
  readonly rolePath: string;
  /** Lambda code must be signed by one of these profile versions. */
  readonly codeSigningProfileVersionArns?: readonly string[];
  readonly alarmEmails: readonly string[];
  /** Deployment of the FFIEC conformance pack; AWS Config must record in the account. */
  readonly conformancePack: boolean;
  readonly monthlyBudgetUsd: number;
  readonly logRetentionDays: number;
  readonly tags: Readonly<Record<string, string>>;
};

export type OwnVpc = { readonly kind: 'own'; readonly cidr: string };

/** By its attributes, so that synthesis looks nothing up. Three zones, in the same order in every list. */
export type ExistingVpc = {
  readonly kind: 'existing';
  readonly vpcId: string;
  readonly cidr: string;
  readonly availabilityZones: readonly string[];
  readonly privateSubnetIds: readonly string[];
  readonly privateRouteTableIds: readonly string[];
  /** For an NLB that faces the internet only. */
  readonly publicSubnetIds?: readonly string[];
  /** False where the network has its endpoints already. */
  readonly endpoints: boolean;
};

const RETENTION_DAYS = { development: { least: 1, most: 30 }, production: { least: 365, most: 3_650 } } as const;
const ZONES = 3;

/** Throws where a stage asks for what its kind may not have; the types cannot bound numbers. */
export function checkStage(stage: StageProps): StageProps {
  const { least, most } = RETENTION_DAYS[stage.kind];
  const { days } = stage.retention;
  if (!Number.isInteger(days) || days < least || days > most) {
    throw new Error(`stage ${stage.instance}: retention is ${days} days, a ${stage.kind} stage keeps evidence ${least} to ${most} days`);
  }
  // A stage that reaches us from untyped code is still refused.
  if ((stage.kind === 'production') !== (stage.retention.mode === 'COMPLIANCE')) {
    throw new Error(`stage ${stage.instance}: retention mode ${stage.retention.mode} is not for a ${stage.kind} stage`);
  }
  // 3 to 20 characters: bucket names carry it beside an account and a region, in 63.
  if (!/^[a-z][a-z0-9-]{1,18}[a-z0-9]$/u.test(stage.instance))
    throw new Error(`instance name ${stage.instance} is not 3 to 20 of a-z, 0-9, -`);
  if (!/^\/(?:[\w+=,.@-]+\/)*$/u.test(stage.rolePath)) throw new Error(`role path ${stage.rolePath} does not begin and end with /`);
  if (stage.kind === 'production' && stage.tasks.min < ZONES)
    throw new Error(`stage ${stage.instance}: fewer than ${ZONES} tasks leave a zone empty`);
  if (stage.tasks.min > stage.tasks.max) throw new Error(`stage ${stage.instance}: more tasks at least than at most`);
  if (stage.vpc.kind === 'existing' && stage.vpc.privateSubnetIds.length !== stage.vpc.availabilityZones.length) {
    throw new Error(`stage ${stage.instance}: one private subnet for each availability zone`);
  }
  return stage;
}

/** To try it, and to work on it. */
export const DEVELOPMENT: DevelopmentStage = {
  kind: 'development',
  retention: { mode: 'GOVERNANCE', days: 7 },
  instance: 'dev',
  region: 'us-east-1',
  vpc: { kind: 'own', cidr: '10.64.0.0/16' },
  clientCidrs: ['10.0.0.0/8'],
  targets: [{ cidr: '10.0.0.0/8', port: 5432 }],
  proxyProtocol: 'off',
  internetFacing: false,
  ssh: true,
  tasks: { min: 1, max: 3, sessionsPerTask: 400 },
  targetAccounts: [],
  slack: false,
  rolePath: '/sallyport/',
  alarmEmails: [],
  conformancePack: false,
  monthlyBudgetUsd: 500,
  logRetentionDays: 30,
  tags: { application: 'sallyport', stage: 'dev' },
};

/** What a bank runs. Seven years of evidence, three zones. */
export const PRODUCTION: ProductionStage = {
  kind: 'production',
  retention: { mode: 'COMPLIANCE', days: 2_557 },
  instance: 'prod',
  region: 'us-east-1',
  vpc: { kind: 'own', cidr: '10.65.0.0/16' },
  clientCidrs: ['10.0.0.0/8'],
  targets: [
    { cidr: '10.0.0.0/8', port: 5432 },
    { cidr: '10.0.0.0/8', port: 22 },
  ],
  proxyProtocol: 'off',
  internetFacing: false,
  ssh: true,
  tasks: { min: 3, max: 30, sessionsPerTask: 400 },
  targetAccounts: [],
  slack: true,
  rolePath: '/sallyport/',
  alarmEmails: [],
  conformancePack: true,
  monthlyBudgetUsd: 3_000,
  logRetentionDays: 365,
  tags: { application: 'sallyport', stage: 'prod', dataClassification: 'confidential' },
};
