/**
 * Every Lambda function: what it is told, what its role may do, how long it may take and how many run at once. A test compares the
 * variables and actions with what its code asks for and sends; they are equal, both ways.
 */
import type { Statement } from './constructs/service-role.ts';
import type { FunctionName } from './names.ts';
import type { Place } from './place.ts';
import type { StageProps } from './stages.ts';

export type Deployable = {
  readonly name: FunctionName;
  readonly description: string;
  readonly environment: readonly string[];
  readonly grants: (place: Place, stage: StageProps) => readonly Statement[];
  readonly timeoutSeconds: number;
  readonly memoryMb: number;
  /** Reserved: what others do cannot take it away, and more than this cannot happen. */
  readonly concurrency: number;
  /** Called without anybody who waits for the answer: what fails for good is kept in a queue. */
  readonly deadLetters: boolean;
};

const CATALOGS = 'One object for each version of a target catalog.';
const SESSIONS = 'One object for each segment of each session.';
const STAGED = 'Lines too large for an item, by writer; writers come and go.';
const TREE = 'New objects each minute.';
const BUNDLES = 'One object for each version of the configuration.';

/** The bundle in force: its pointer, its object, the key that signed both. */
const BUNDLE_VARIABLES = ['SALLYPORT_CONTROL_TABLE', 'SALLYPORT_CONFIG_BUCKET', 'SALLYPORT_BUNDLE_KEY_ARN'] as const;
const bundleGrants = (place: Place): Statement[] => [
  place.table('control', ['GetItem']),
  place.objects('config', ['GetObject'], 'bundles/', BUNDLES),
  place.bundleKey('kms:GetPublicKey'),
];

/** An approval as it stands: what was asked, decided and claimed. */
const APPROVAL_VARIABLES = ['SALLYPORT_REQUESTS_TABLE', 'SALLYPORT_DECISIONS_TABLE', 'SALLYPORT_CLAIMS_TABLE'] as const;
const approvalGrants = (place: Place): Statement[] => [
  place.table('requests', ['BatchGetItem']),
  place.table('decisions', ['BatchGetItem']),
  place.table('claims', ['BatchGetItem']),
];

// A login asks these three; a storm of logins must not take the rest of the account's concurrency, nor be starved by it.
const LOGIN = { timeoutSeconds: 10, memoryMb: 1_024, concurrency: 100, deadLetters: false } as const;
const PERSON = { timeoutSeconds: 15, memoryMb: 1_024, concurrency: 20, deadLetters: false } as const;
/** Each minute one run; a second at the same time would only do the same. */
const MINUTE = { timeoutSeconds: 55, memoryMb: 1_024, concurrency: 1, deadLetters: true } as const;

export const DEPLOYABLES: readonly Deployable[] = [
  {
    name: 'evaluate-policy',
    description: 'Connect decisions and dry runs under the bundle in force',
    environment: [...BUNDLE_VARIABLES, 'SALLYPORT_STAGING_BUCKET'],
    grants: (place) => [
      ...bundleGrants(place),
      place.objects('staging', ['GetObject'], 'catalogs/', CATALOGS),
      place.evidenceDataKey('kms:Decrypt'),
    ],
    ...LOGIN,
  },
  {
    name: 'lookup-masking',
    description: 'The masking plan for a principal and a target',
    environment: BUNDLE_VARIABLES,
    grants: bundleGrants,
    ...LOGIN,
  },
  {
    name: 'issue-credential',
    description: 'Verifies what an agent has shown, then assumes the role of one target or certifies one login',
    environment: [...BUNDLE_VARIABLES, 'SALLYPORT_SSH_CA_KEY_ARN'],
    grants: (place, stage) => [...bundleGrants(place), ...place.sshAuthority(), place.assumeTargets(stage.targetAccounts)],
    ...LOGIN,
  },
  {
    name: 'request-approval',
    description: 'Reads a held statement from its bytes, stores the request and starts its workflow',
    environment: [
      ...BUNDLE_VARIABLES,
      ...APPROVAL_VARIABLES,
      'SALLYPORT_NOTICES_TABLE',
      'SALLYPORT_STAGING_BUCKET',
      'SALLYPORT_SECRETS_ARN',
      'SALLYPORT_STATE_MACHINE_ARN',
    ],
    grants: (place) => [
      ...bundleGrants(place),
      ...approvalGrants(place),
      place.objects('staging', ['GetObject'], 'catalogs/', CATALOGS),
      place.evidenceDataKey('kms:Decrypt'),
      place.table('requests', ['GetItem', 'PutItem']),
      // What the sweeper looks after, and not the tokens of workflows.
      place.table('notices', ['UpdateItem'], ['due#*']),
      place.secret('secretsArn'),
      place.startApproval(),
    ],
    timeoutSeconds: 15,
    memoryMb: 1_536,
    concurrency: 50,
    deadLetters: false,
  },
  {
    name: 'notify-approvers',
    description: 'Tells approvers of a request, and keeps the task token of its workflow',
    environment: [
      ...APPROVAL_VARIABLES,
      'SALLYPORT_NOTICES_TABLE',
      'SALLYPORT_NOTICE_TOPIC_ARN',
      'SALLYPORT_PUBLIC_URL',
      'SALLYPORT_SLACK_SECRET_ARN',
    ],
    grants: (place) => [
      ...approvalGrants(place),
      place.table('notices', ['GetItem', 'PutItem']),
      place.publish('noticeTopicArn'),
      ...place.slackSecret(),
    ],
    ...PERSON,
  },
  {
    name: 'decide-approval',
    description: 'Counts one vote of a person who signed in, and answers the workflow',
    environment: [...BUNDLE_VARIABLES, ...APPROVAL_VARIABLES, 'SALLYPORT_NOTICES_TABLE'],
    grants: (place) => [
      ...bundleGrants(place),
      ...approvalGrants(place),
      place.table('decisions', ['PutItem']),
      place.table('notices', ['GetItem']),
      place.answerTasks('states:SendTaskSuccess'),
    ],
    ...PERSON,
  },
  {
    name: 'close-approval',
    description: 'Expires a request nobody answered, and writes the outcome into the evidence',
    environment: [...APPROVAL_VARIABLES, 'SALLYPORT_JOURNAL_TABLE', 'SALLYPORT_WRITERS_TABLE'],
    grants: (place) => [
      ...approvalGrants(place),
      place.table('claims', ['PutItem']),
      place.table('journal', ['PutItem']),
      place.table('writers', ['PutItem']),
    ],
    ...PERSON,
  },
  {
    name: 'sweep',
    description: 'Fences writers that died, names the end of their sessions, repeats what approvals missed',
    environment: [
      ...APPROVAL_VARIABLES,
      'SALLYPORT_JOURNAL_TABLE',
      'SALLYPORT_WRITERS_TABLE',
      'SALLYPORT_SESSIONS_TABLE',
      'SALLYPORT_SEAL_TABLE',
      'SALLYPORT_NOTICES_TABLE',
      'SALLYPORT_EVIDENCE_BUCKET',
      'SALLYPORT_STAGING_BUCKET',
      'SALLYPORT_STATE_MACHINE_ARN',
      'SALLYPORT_FN_NOTIFY_APPROVERS',
    ],
    grants: (place) => [
      place.table('journal', ['BatchGetItem', 'PutItem']),
      place.table('writers', ['PutItem', 'Scan']),
      place.table('sessions', ['DeleteItem', 'Query']),
      place.table('seal', ['GetItem']),
      place.objects('evidence', ['GetObject', 'PutObject'], 'sessions/', SESSIONS),
      place.absence('evidence'),
      place.objects('staging', ['GetObject'], 'large/', STAGED),
      place.absence('staging'),
      place.evidenceDataKey('kms:GenerateDataKey', 'kms:Decrypt'),
      ...approvalGrants(place),
      // A workflow that was lost closes nothing: the sweeper expires what nobody answered.
      place.table('claims', ['PutItem']),
      place.table('notices', ['BatchGetItem']),
      place.table('notices', ['UpdateItem'], ['due#*']),
      place.startApproval(),
      place.answerTasks('states:SendTaskSuccess'),
      place.invoke('notify-approvers'),
    ],
    ...MINUTE,
  },
  {
    name: 'seal',
    description: 'Builds the tree over all writers and signs a checkpoint, each minute',
    environment: [
      'SALLYPORT_INSTANCE',
      'SALLYPORT_JOURNAL_TABLE',
      'SALLYPORT_WRITERS_TABLE',
      'SALLYPORT_SEAL_TABLE',
      'SALLYPORT_EVIDENCE_BUCKET',
      'SALLYPORT_EVIDENCE_KEY_ARN',
      'SALLYPORT_CHECKPOINT_TOPIC_ARN',
    ],
    grants: (place) => [
      place.table('journal', ['BatchGetItem']),
      place.table('writers', ['Scan']),
      place.table('seal', ['BatchGetItem', 'PutItem']),
      // Not under sessions/: what the sealer signs over, it cannot write.
      ...['checkpoints/', 'keys/', 'writers/'].map((prefix) => place.objects('evidence', ['GetObject', 'PutObject'], prefix, TREE)),
      place.object('evidence', ['GetObject', 'PutObject'], 'format.json'),
      place.absence('evidence'),
      place.evidenceDataKey('kms:GenerateDataKey', 'kms:Decrypt'),
      place.evidenceKey('kms:Sign', 'kms:GetPublicKey'),
      place.publish('checkpointTopicArn'),
    ],
    ...MINUTE,
  },
  {
    name: 'publish-bundle',
    description: 'Validates a configuration and signs it as a bundle',
    environment: BUNDLE_VARIABLES,
    grants: (place) => [
      ...bundleGrants(place),
      place.absence('config'),
      place.objects('config', ['PutObject'], 'bundles/', BUNDLES),
      place.bundleKey('kms:Sign'),
    ],
    ...PERSON,
  },
  {
    name: 'activate-bundle',
    description: 'Puts a published bundle into force for a person who did not publish it',
    environment: BUNDLE_VARIABLES,
    grants: (place) => [
      ...bundleGrants(place),
      place.absence('config'),
      place.table('control', ['PutItem'], ['bundle']),
      place.bundleKey('kms:Sign'),
    ],
    ...PERSON,
  },
  {
    name: 'console',
    description: 'Pages and API for approvers and operators',
    environment: [
      ...BUNDLE_VARIABLES,
      ...APPROVAL_VARIABLES,
      'SALLYPORT_WRITERS_TABLE',
      'SALLYPORT_SESSIONS_TABLE',
      'SALLYPORT_SIGNIN_TABLE',
      'SALLYPORT_SSHKEYS_TABLE',
      'SALLYPORT_FN_DECIDE_APPROVAL',
      'SALLYPORT_PUBLIC_URL',
    ],
    grants: (place) => [
      ...bundleGrants(place),
      ...approvalGrants(place),
      place.requestsIndex(),
      place.table('control', ['PutItem'], ['locks', 'mail#*']),
      place.table('writers', ['Scan']),
      place.table('sessions', ['BatchGetItem', 'Query']),
      place.table('signin', ['DeleteItem', 'GetItem', 'PutItem']),
      place.table('sshkeys', ['PutItem']),
      place.invoke('decide-approval'),
    ],
    ...PERSON,
    concurrency: 50,
  },
  {
    name: 'slack-callback',
    description: 'Verifies and acknowledges what Slack sends',
    environment: ['SALLYPORT_SLACK_SECRET_ARN'],
    grants: (place) => place.slackSecret(),
    ...PERSON,
  },
];

/** What a stage deploys: without Slack there is no door for it. */
export function deployablesOf(stage: StageProps): readonly Deployable[] {
  return DEPLOYABLES.filter(({ name }) => stage.slack || name !== 'slack-callback');
}

/** Deployables that use the evidence bucket; its policies name their roles before they are made. */
export function evidenceWriters(): readonly string[] {
  return ['proxy', 'seal', 'sweep'];
}

/** They read there to compare after a lost answer, or to go on. */
export function evidenceReaders(): readonly string[] {
  return ['proxy', 'seal', 'sweep'];
}

/** Deployables that use the staging bucket. */
export function stagingRoles(): readonly string[] {
  return ['proxy', 'sweep', 'request-approval', 'evaluate-policy'];
}
