/** AWS's own limits on `AssumeRole` (STS API reference), checked before it is asked: emulators do not check them. */
import { CredentialUnavailable } from './credential-unavailable.ts';
import type { RoleSession } from './role-session.ts';

const MAX_POLICY_CHARACTERS = 2_048;
const MAX_TAGS = 50;
const MAX_DURATION_SECONDS = 3_600;
const MIN_DURATION_SECONDS = 900;
const NAME = /^[\w+=,.@-]{2,64}$/;
const TAG_KEY = /^(?!aws:)[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,128}$/iu;
const TAG_VALUE = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]{0,256}$/u;
const EXTERNAL_ID = /^[\w+=,.@:/-]{2,1224}$/;
const ROLE_ARN = /^arn:aws[a-z-]*:iam::\d{12}:role\/[\w+=,.@/-]+$/;

/** Throws CredentialUnavailable that names the first limit which is exceeded. */
export function checkRoleSession(session: RoleSession): void {
  const { tags, policy, durationSeconds, externalId } = session;
  const keys = tags.map(({ key }) => key.toLowerCase());
  const limits: readonly (readonly [holds: boolean, what: string])[] = [
    [ROLE_ARN.test(session.roleArn), 'the ARN is none of a role'],
    [NAME.test(session.sourceIdentity), 'the source identity has not 2 to 64 letters, digits or _+=,.@-'],
    [NAME.test(session.roleSessionName), 'the session name has not 2 to 64 letters, digits or _+=,.@-'],
    [externalId === undefined || EXTERNAL_ID.test(externalId), 'the external id has not 2 to 1,224 letters, digits or _+=,.@:/-'],
    [tags.length <= MAX_TAGS, `there are more than ${MAX_TAGS} tags`],
    [new Set(keys).size === keys.length, 'a tag is there twice'],
    [tags.every(({ key }) => TAG_KEY.test(key)), 'the key of a tag is longer than 128 characters or has others than AWS takes'],
    [tags.every(({ value }) => TAG_VALUE.test(value)), 'the value of a tag is longer than 256 characters or has others than AWS takes'],
    [session.transitiveTagKeys.every((key) => keys.includes(key.toLowerCase())), 'a transitive tag is not among the tags'],
    [policy.length <= MAX_POLICY_CHARACTERS, `the session policy is longer than ${MAX_POLICY_CHARACTERS} characters`],
    [/^[\t\n\r\u0020-\u00FF]+$/u.test(policy), 'the session policy has characters that AWS does not take'],
    [
      durationSeconds >= MIN_DURATION_SECONDS && durationSeconds <= MAX_DURATION_SECONDS,
      'the session is shorter than 15 minutes or longer than one hour',
    ],
  ];
  const broken = limits.find(([holds]) => !holds);
  if (broken !== undefined) throw new CredentialUnavailable(`role ${session.roleArn} is not asked for: ${broken[1]}`);
}
