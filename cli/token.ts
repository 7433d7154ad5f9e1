/** `sallyport token`: a token for an agent, from the demo's own issuer, or on AWS from STS. */
import { jsonLine } from './json-line.ts';
import { discover } from '../console/oidc-discovery.ts';
import { isLoopback } from '../core/config/loopback.ts';
import { readOperatorToken } from '../standalone/operator-token.ts';
import { askJson, GatewayRefused, runningGateway } from './gateway-client.ts';
import { EXIT, readArguments, UsageError, type Verb, type VerbIo } from './verb.ts';

const USAGE = `Usage: sallyport token --principal NAME [--group G]… [--on-behalf-of WHO] [--ttl 15m] [--json]
       sallyport token --aws [--audience A] [--ttl 1h] [--json]
       sallyport token --operator [--api URL] [--json]

Prints a token for an agent, signed by the issuer of the running demo, and nothing else.
Outside the demo, tokens come from your own identity provider. With --aws it is AWS: STS signs who the IAM role
is that runs this (sts:GetWebIdentityToken; the account has outbound identity federation enabled).
With --operator a person signs in to operate a gateway elsewhere, for SALLYPORT_OPERATOR_TOKEN.

  --principal NAME     the agent: agent-7
  --group G            a group, without the issuer's name; may be repeated
  --on-behalf-of WHO   the person the agent acts for: alice@bank.example
  --ttl DURATION       30s, 15m (default), 8h; at most 24h. With --aws 1m to 1h (default)
  --aws                from AWS, for the role whose credentials are here (AWS_REGION, AWS_PROFILE, …)
  --operator           sign in as operator of the gateway at --api, for an hour at most
  --api URL            with --operator: the gateway's address (SALLYPORT_API)
  --as PERSON          with --operator: sign in as this person, at the demo issuer only
  --audience A         with --aws: what the gateway expects of this issuer; sallyport where it is not said
  --data DIR           the data directory of the demo (SALLYPORT_DATA, else .sallyport)
  --json               {"token": …}
`;

export const verb: Verb = { usage: USAGE, run };

async function run(args: readonly string[], io: VerbIo): Promise<number> {
  const { values } = readArguments({
    args: [...args],
    options: {
      principal: { type: 'string' },
      group: { type: 'string', multiple: true, default: [] },
      'on-behalf-of': { type: 'string' },
      ttl: { type: 'string' },
      aws: { type: 'boolean', default: false },
      audience: { type: 'string' },
      operator: { type: 'boolean', default: false },
      api: { type: 'string' },
      as: { type: 'string' },
      data: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const { principal, group: groups, ttl = '15m', json } = values;
  const other = values.aws ? '--aws' : values.operator ? '--operator' : undefined;
  if (other !== undefined) {
    const strange = (['principal', 'on-behalf-of', 'data'] as const).find((flag) => values[flag] !== undefined);
    if (strange !== undefined || groups.length > 0)
      throw new UsageError(`--${strange ?? 'group'} has no meaning with ${other}: who it is for, is who asks`);
  }
  const misplaced =
    values.audience !== undefined && !values.aws
      ? '--audience goes with --aws'
      : (values.api ?? values.as) !== undefined && other !== '--operator'
        ? '--api and --as go with --operator'
        : values.ttl !== undefined && other === '--operator'
          ? '--ttl has no meaning with --operator: a sign-in is for an hour at most'
          : undefined;
  if (misplaced !== undefined) throw new UsageError(misplaced);
  if (values.aws) return fromAws({ ttl: values.ttl ?? '1h', audience: values.audience ?? 'sallyport', json }, io);
  if (values.operator) {
    const token = await (await import('./operator-sign-in.ts')).operatorToken({ api: values.api, as: values.as }, io);
    io.stdout.write(json ? jsonLine({ token }) : `${token}\n`);
    return EXIT.fine;
  }
  if (principal === undefined || principal === '') throw new UsageError('--principal is missing: which agent is the token for?');
  const ttlSeconds = seconds(ttl);
  const onBehalfOf = values['on-behalf-of'];
  const { issuer, dataDir } = runningGateway(values.data, io.env);
  // The operator token goes to this machine only, whatever an issuer elsewhere says of itself.
  if (issuer === undefined || !isLoopback(new URL(issuer).hostname) || !(await discover(issuer)).isDemo) {
    throw new GatewayRefused('this gateway has no demo issuer: get the token from your own identity provider');
  }
  const asked = { principal, groups, ttlSeconds, ...(onBehalfOf === undefined ? {} : { onBehalfOf }) };
  const { token } = await askJson(`${issuer}/demo/tokens`, readOperatorToken(dataDir), asked);
  if (typeof token !== 'string') throw new GatewayRefused('the issuer’s answer is not understood: is it the demo’s?');
  io.stdout.write(json ? jsonLine({ token }) : `${token}\n`);
  return EXIT.fine;
}

async function fromAws(
  { ttl, audience, json }: { readonly ttl: string; readonly audience: string; readonly json: boolean },
  io: VerbIo,
): Promise<number> {
  const ttlSeconds = seconds(ttl);
  if (ttlSeconds < AWS_MIN_SECONDS || ttlSeconds > AWS_MAX_SECONDS) throw new UsageError(`--ttl ${ttl}: AWS gives tokens for 1m to 1h`);
  if (audience === '' || audience.length > AWS_MAX_AUDIENCE) throw new UsageError('--audience has 1 to 1,000 characters');
  // Loaded here alone: no other use of this verb waits for the SDK.
  const { webIdentityToken } = await import('./adapters/sts-web-identity-token.ts');
  const token = await webIdentityToken({ audience, ttlSeconds });
  io.stdout.write(json ? jsonLine({ token }) : `${token}\n`);
  return EXIT.fine;
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600 };
const MAX_SECONDS = 86_400;
/** What STS takes (GetWebIdentityToken, request parameters). */
const AWS_MIN_SECONDS = 60;
const AWS_MAX_SECONDS = 3_600;
const AWS_MAX_AUDIENCE = 1_000;

function seconds(ttl: string): number {
  const [, count = '', unit = ''] = /^(\d{1,6})([smh])$/.exec(ttl) ?? [];
  const total = Number(count) * (UNIT_SECONDS[unit] ?? 0);
  if (!(total >= 1 && total <= MAX_SECONDS)) throw new UsageError(`--ttl ${ttl} is not a duration from 1s to 24h, like 15m`);
  return total;
}
