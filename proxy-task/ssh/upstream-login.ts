/**
 * How the gateway shows itself to a host: with its key, or with a certificate over it. The transport can sign for plain keys only:
 * with a certificate it would name the certificate's type as the algorithm of the signature, which hosts refuse.
 */
import ssh2 from 'ssh2';
import type { AnyAuthMethod, Client, ParsedKey } from 'ssh2';
import { CERTIFICATE_TYPE } from '../../core/credential/host-certificate.ts';
import { sshString } from '../../core/ssh/wire.ts';
import { protocolOf, type Protocol } from './channel-internals.ts';
import type { HostCredential } from '../ports.ts';
import { readPrivateKey } from './host-credential.ts';

const SSH_MSG_USERAUTH_REQUEST = 50;

export type UpstreamLogin = {
  /** The one way to log in. */
  readonly method: AnyAuthMethod;
  /** To be called as soon as the client has begun to connect. */
  prepare(client: Client): void;
};

/** Throws CredentialUnavailable. */
export function upstreamLogin(credential: HostCredential, account: string, target: string): UpstreamLogin {
  const key = readPrivateKey(credential.privateKey, target);
  const { certificate } = credential;
  if (certificate === undefined) return { method: { type: 'publickey', username: account, key }, prepare: () => undefined };
  return {
    method: { type: 'agent', username: account, agent: new OneKeyAgent(certified(key, certificate)) },
    prepare: (client) => {
      const protocol = protocolOf(client);
      if (protocol !== undefined) signWithCertificates(protocol, certificate);
    },
  };
}

/** The key, shown as its certificate. */
function certified(key: ParsedKey, certificate: Buffer): ParsedKey {
  // Everything else comes from the key itself.
  const shown = Object.create(key) as { type: string; getPublicSSH: () => Buffer; sign: ParsedKey['sign'] };
  shown.type = CERTIFICATE_TYPE;
  shown.getPublicSSH = () => certificate;
  shown.sign = (data, algorithm) => key.sign(data, algorithm);
  return shown as unknown as ParsedKey;
}

/** Agents of the package are how a key with a look of its own gets in. */
class OneKeyAgent extends ssh2.BaseAgent<ParsedKey> {
  readonly #key: ParsedKey;

  constructor(key: ParsedKey) {
    super();
    this.#key = key;
  }

  override getIdentities(done: (error?: Error | null, keys?: ParsedKey[]) => void): void {
    done(undefined, [this.#key]);
  }

  override sign(_key: ParsedKey, data: Buffer, ...rest: unknown[]): void {
    const done = rest.at(-1);
    const signature = this.#key.sign(data);
    // The package's own call: options, then a callback.
    if (typeof done === 'function') (done as (error?: Error, signature?: Buffer) => void)(undefined, signature);
  }
}

/** Signed requests are written here: RFC 4252 §7, with the plain algorithm's name in the signature. */
function signWithCertificates(protocol: Protocol, certificate: Buffer): void {
  const plain = protocol.authPK.bind(protocol);
  protocol.authPK = (username, key, algorithm, sign) => {
    if (sign === undefined) {
      plain(username, key, algorithm);
      return;
    }
    const request = Buffer.concat([
      Buffer.from([SSH_MSG_USERAUTH_REQUEST]),
      sshString(username),
      sshString('ssh-connection'),
      sshString('publickey'),
      Buffer.from([1]),
      sshString(CERTIFICATE_TYPE),
      sshString(certificate),
    ]);
    sign(Buffer.concat([sshString(protocol._kex.sessionID), request]), (signature) => {
      const payload = Buffer.concat([request, sshString(Buffer.concat([sshString('ssh-ed25519'), sshString(signature)]))]);
      const { write } = protocol._packetRW;
      const packet = write.alloc(payload.length);
      payload.copy(packet, write.allocStart);
      protocol._authsQueue.push('publickey');
      protocol._cipher.encrypt(write.finalize(packet));
    });
  };
}
