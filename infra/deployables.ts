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
const SEALED = 'Sessions, writers and checkpoints; new ones each minute.';
const STAGED = 'Journal lines of writers that come and go.';
const BUNDLES = 'One object for each version of the configuration.';

/** The bundle in force: its pointer, its object, the key that signed both. */
const BUNDLE_VARIABLES = ['SALLYPORT_CONTROL_TABLE', 'SALLYPORT_CONFIG_BUCKET', 'SALLYPORT_BUNDLE_KEY_ARN'] as const;
const bundleGrants = (place: Place): Statement[] => [
  place.table('control', ['GetItem']),
  place.objects('config', ['GetObject'], 'bundles/', BUNDLES),
  place.bundleKey('kms:GetPublicKey'),
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
    description: 'Verifies the token of an agent and assumes the role of one target',
    environment: BUNDLE_VARIABLES,
    grants: (place, stage) => [...bundleGrants(place), place.assumeTargets(stage.targetAccounts)],
    ...LOGIN,
  },
  {
    name: 'request-approval',
    description: 'Reads a held statement from its bytes, stores the request and starts its workflow',
    environment: [
      ...BUNDLE_VARIABLES,
      'SALLYPORT_STAGING_BUCKET',
      'SALLYPORT_REQUESTS_TABLE',
      'SALLYPORT_DECISIONS_TABLE',
      'SALLYPORT_CLAIMS_TABLE',
      'SALLYPORT_SECRETS_ARN',
      'SALLYPORT_STATE_MACHINE_ARN',
      'SALLYPORT_PUBLIC_URL',
    ],
    grants: (place) => [
      ...bundleGrants(place),
      place.objects('staging', ['GetObject'], 'catalogs/', CATALOGS),
      place.evidenceDataKey('kms:Decrypt'),
      place.table('requests', ['GetItem', 'PutItem']),
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
      ...BUNDLE_VARIABLES,
      'SALLYPORT_REQUESTS_TABLE',
      'SALLYPORT_DECISIONS_TABLE',
      'SALLYPORT_CLAIMS_TABLE',
      'SALLYPORT_NOTICES_TABLE',
      'SALLYPORT_NOTICE_TOPIC_ARN',
      'SALLYPORT_SLACK_SECRET_ARN',
      'SALLYPORT_PUBLIC_URL',
    ],
    grants: (place) => [
      place.table('requests', ['GetItem']),
      place.table('decisions', ['GetItem']),
      place.table('claims', ['GetItem']),
      place.table('notices', ['GetItem', 'PutItem']),
      place.notify(),
      place.secret('slackSecretArn'),
    ],
    ...PERSON,
  },
  {
    name: 'decide-approval',
    description: 'Counts one vote of a person who signed in, and answers the workflow',
    environment: [
      ...BUNDLE_VARIABLES,
      'SALLYPORT_REQUESTS_TABLE',
      'SALLYPORT_DECISIONS_TABLE',
      'SALLYPORT_CLAIMS_TABLE',
      'SALLYPORT_NOTICES_TABLE',
    ],
    grants: (place) => [
      ...bundleGrants(place),
      place.table('requests', ['GetItem']),
      place.table('decisions', ['GetItem', 'PutItem']),
      place.table('claims', ['GetItem']),
      place.table('notices', ['GetItem']),
      place.answerTasks('states:SendTaskSuccess'),
    ],
    ...PERSON,
  },
  {
    name: 'close-approval',
    description: 'Expires a request nobody answered, and writes the outcome into the evidence',
    environment: [
      'SALLYPORT_REQUESTS_TABLE',
      'SALLYPORT_DECISIONS_TABLE',
      'SALLYPORT_CLAIMS_TABLE',
      'SALLYPORT_JOURNAL_TABLE',
      'SALLYPORT_WRITERS_TABLE',
    ],
    grants: (place) => [
      place.table('requests', ['GetItem']),
      place.table('decisions', ['GetItem']),
      place.table('claims', ['GetItem', 'PutItem']),
      place.table('journal', ['PutItem']),
      place.table('writers', ['PutItem']),
    ],
    ...PERSON,
  },
  {
    name: 'sweep',
    description: 'Fences writers that died, names the end of their sessions, repeats what approvals missed',
    environment: [],
    grants: () => [],
    ...MINUTE,
  },
  {
    name: 'seal',
    description: 'Builds the tree over all writers and signs a checkpoint, each minute',
    environment: [],
    grants: () => [],
    ...MINUTE,
  },
  {
    name: 'publish-bundle',
    description: 'Validates a configuration and signs it as a bundle',
    environment: BUNDLE_VARIABLES,
    grants: (place) => [place.objects('config', ['GetObject', 'PutObject'], 'bundles/', BUNDLES), place.bundleKey('kms:Sign')],
    ...PERSON,
  },
  {
    name: 'activate-bundle',
    description: 'Puts a published bundle into force for a person who did not publish it',
    environment: BUNDLE_VARIABLES,
    grants: (place) => [...bundleGrants(place), place.table('control', ['PutItem'], ['bundle'])],
    ...PERSON,
  },
  {
    name: 'console',
    description: 'Pages and API for approvers and operators',
    environment: [],
    grants: () => [],
    ...PERSON,
    concurrency: 50,
  },
  {
    name: 'slack-callback',
    description: 'Verifies and acknowledges what Slack sends',
    environment: [],
    grants: () => [],
    ...PERSON,
  },
];

/** Deployables that put objects into the evidence bucket. */
export function evidenceWriters(): readonly string[] {
  return ['proxy', 'seal', 'sweep'];
}

/** Deployables that read there: to compare after a lost answer, or to go on. */
export function evidenceReaders(): readonly string[] {
  return ['proxy', 'seal', 'sweep'];
}

/** Deployables that use the staging bucket. */
export function stagingRoles(): readonly string[] {
  return ['proxy', 'sweep', 'seal', 'request-approval', 'evaluate-policy'];
}

export const STAGED_AND_SEALED = { SEALED, STAGED } as const;
