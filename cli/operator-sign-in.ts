/** `sallyport token --operator`: a sign-in as operator of one gateway, for an hour at most. Called by `token.ts`. */
import { operatorNonce } from '../core/identity/operator-nonce.ts';
import { signInAtDemo, signInWithBrowser } from './approver-sign-in.ts';
import { askJson, GatewayRefused, remoteGateway, type GatewayChoice } from './gateway-client.ts';
import { UsageError, type VerbIo } from './verb.ts';

/**
 * The ID token. Its nonce is made from the address that was asked for, not from what the gateway says: a gateway that pretends
 * to be another gets a sign-in that is good for itself. Throws UsageError, GatewayRefused, SignInFailed.
 */
export async function operatorToken(choice: GatewayChoice & { readonly as: string | undefined }, io: VerbIo): Promise<string> {
  const api = remoteGateway(choice, io.env);
  if (api === undefined)
    throw new UsageError(
      '--operator is for a gateway elsewhere: name it with --api or SALLYPORT_API; on this machine the data directory has the token',
    );
  const { issuer, clientId, for: known } = await askJson(`${api}/v1/sign-in`, undefined);
  if (typeof issuer !== 'string' || typeof clientId !== 'string' || typeof known !== 'string')
    throw new GatewayRefused('the gateway’s answer is not understood: is it of another version?');
  if (known !== api) throw new GatewayRefused(`this gateway is known as ${known}: sign in for that address`);
  const request = { issuer, clientId, nonce: operatorNonce(api) };
  return choice.as === undefined ? signInWithBrowser(request, io.stderr) : signInAtDemo(request, choice.as);
}
