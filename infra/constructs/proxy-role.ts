import type { Statement } from './service-role.ts';
import type { Place } from '../place.ts';

/** Variables of the proxy that every deployable may have; the rest are its own. */
export const PROXY_ENVIRONMENT = [
  'SALLYPORT_INSTANCE',
  'SALLYPORT_JOURNAL_TABLE',
  'SALLYPORT_WRITERS_TABLE',
  'SALLYPORT_SESSIONS_TABLE',
  'SALLYPORT_CONTROL_TABLE',
  'SALLYPORT_CANCELS_TABLE',
  'SALLYPORT_REQUESTS_TABLE',
  'SALLYPORT_DECISIONS_TABLE',
  'SALLYPORT_CLAIMS_TABLE',
  'SALLYPORT_BUDGETS_TABLE',
  'SALLYPORT_EVIDENCE_BUCKET',
  'SALLYPORT_STAGING_BUCKET',
  'SALLYPORT_CONFIG_BUCKET',
  'SALLYPORT_BUNDLE_KEY_ARN',
  'SALLYPORT_SECRETS_ARN',
  'SALLYPORT_TLS_SECRET_ARN',
  'SALLYPORT_SSHKEYS_TABLE',
  'SALLYPORT_SSH_HOST_KEY_SECRET_ARN',
  'SALLYPORT_PUBLIC_URL',
  'SALLYPORT_FN_EVALUATE_POLICY',
  'SALLYPORT_FN_LOOKUP_MASKING',
  'SALLYPORT_FN_ISSUE_CREDENTIAL',
  'SALLYPORT_FN_REQUEST_APPROVAL',
] as const;

/**
 * What a task may do. It reads what it obeys and cannot write it: no decision, no bundle pointer, no lock; it assumes no role and signs
 * nothing.
 */
export function proxyGrants(place: Place, cluster: string): readonly Statement[] {
  return [
    place.table('journal', ['PutItem']),
    place.table('writers', ['GetItem', 'PutItem', 'DeleteItem']),
    place.table('sessions', ['PutItem', 'DeleteItem']),
    place.table('control', ['BatchGetItem']),
    place.table('cancels', ['BatchGetItem', 'GetItem', 'PutItem']),
    place.table('requests', ['BatchGetItem', 'GetItem']),
    place.table('decisions', ['BatchGetItem']),
    place.table('claims', ['BatchGetItem', 'PutItem']),
    place.table('budgets', ['UpdateItem']),
    place.objects('evidence', ['PutObject', 'GetObject'], 'sessions/', 'One object for each segment of each session.'),
    place.objects('staging', ['PutObject'], 'large/', 'Lines too large for an item, by writer.'),
    place.objects('staging', ['PutObject'], 'catalogs/', 'One object for each version of a target catalog.'),
    place.evidenceDataKey('kms:GenerateDataKey', 'kms:Decrypt'),
    place.objects('config', ['GetObject'], 'bundles/', 'One object for each version of the configuration.'),
    place.bundleKey('kms:GetPublicKey'),
    place.secret('secretsArn'),
    place.secret('tlsSecretArn'),
    ...place.sshDoor(),
    place.invoke('evaluate-policy', 'lookup-masking', 'issue-credential', 'request-approval'),
    {
      // Sent by the ECS agent for the task that asks it.
      actions: ['ecs:GetTaskProtection', 'ecs:UpdateTaskProtection'],
      resources: [place.names.arn('ecs', `task/${cluster}/*`)],
      wildcardReason: 'Tasks are named when they start; these are of the one cluster.',
    },
  ];
}
