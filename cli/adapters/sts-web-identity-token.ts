/** A signed token of the caller's own IAM role, from STS: how an agent on AWS proves who it is without a secret. */
import { GetWebIdentityTokenCommand, STSClient } from '@aws-sdk/client-sts';
import { SallyportError } from '../../core/errors.ts';

/** STS gave no token; the message says what to do. */
export class WebIdentityUnavailable extends SallyportError {
  readonly code = 'web-identity-unavailable';
}

export type WebIdentityRequest = {
  /** What the gateway's configuration expects of this issuer. */
  readonly audience: string;
  /** 60 to 3,600. */
  readonly ttlSeconds: number;
};

/** An agent waits for it at its start: a region that is slow is tried again, one that is gone is said to be within half a minute. */
const CLIENT = { maxAttempts: 3, requestHandler: { connectionTimeout: 2_000, requestTimeout: 5_000, throwOnRequestTimeout: true } };

/** `sts:GetWebIdentityToken` at the regional endpoint, with the SDK's own credentials and region. Throws WebIdentityUnavailable. */
export async function webIdentityToken({ audience, ttlSeconds }: WebIdentityRequest): Promise<string> {
  try {
    const answer = await new STSClient(CLIENT).send(
      new GetWebIdentityTokenCommand({ Audience: [audience], DurationSeconds: ttlSeconds, SigningAlgorithm: 'ES384' }),
    );
    if (answer.WebIdentityToken !== undefined) return answer.WebIdentityToken;
  } catch (cause) {
    throw new WebIdentityUnavailable(inWords(cause), { cause });
  }
  throw new WebIdentityUnavailable('STS answered without a token');
}

/** By the error's name on the wire, where some have lost the ending that the SDK's classes have. */
function inWords(error: unknown): string {
  const { name, message } = error instanceof Error ? error : { name: '', message: String(error) };
  switch (name.replace(/Exception$/, '')) {
    case 'OutboundWebIdentityFederationDisabled':
      return 'outbound identity federation is not enabled in this AWS account: an administrator enables it once, in IAM under account settings or with `aws iam enable-outbound-web-identity-federation`';
    case 'SessionDurationEscalation':
      return 'the token would outlive the session of this role: ask for less with --ttl, or renew the role’s credentials first';
    case 'JWTPayloadSizeExceeded':
      return 'the tags of this role do not fit into a token: remove some of them';
    case 'AccessDenied':
      return 'this role may not ask for a token of its own: allow it sts:GetWebIdentityToken';
    case 'ExpiredToken':
      return 'the AWS credentials have expired: renew them';
    case 'CredentialsProviderError':
      return 'no AWS credentials were found: run this where the agent’s IAM role is, or name a profile in AWS_PROFILE';
    case 'TimeoutError':
      return 'STS does not answer: is there a way to its endpoint in this region?';
  }
  if (/\bregion\b/i.test(message))
    return 'no AWS region is set: the global endpoint of STS gives no such tokens, so name one in AWS_REGION';
  return `STS gave no token: ${message}`;
}
