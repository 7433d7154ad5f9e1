/** The certificate that TLS ends with in this task: from Secrets Manager, taken up again when it is renewed there. */
import { createSecureContext, type SecureContext } from 'node:tls';
import { GetSecretValueCommand, type SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { SallyportError } from '../../core/errors.ts';
import type { Clock } from '../ports.ts';

/** What the secret holds is no certificate with its key. */
export class CertificateUnusable extends SallyportError {
  readonly code = 'certificate-unusable';
}

export type SecretsCertificateOptions = {
  readonly client: SecretsManagerClient;
  readonly secretArn: string;
  readonly clock: Clock;
  /** Told of a renewed one that cannot be used: the old one stays. */
  readonly report: (error: unknown) => void;
};

/** Certificates are renewed weeks before they end. */
const LOOK_EVERY_MS = 5 * 60_000;

export class SecretsCertificate {
  readonly #options: SecretsCertificateOptions;
  #text: string;
  #context: SecureContext;
  #timer: { cancel(): void } | undefined;
  #failing = false;
  #stopped = false;

  private constructor(options: SecretsCertificateOptions, text: string) {
    this.#options = options;
    this.#text = text;
    this.#context = contextOf(text);
    this.#lookLater();
  }

  /** Throws CertificateUnusable. */
  static async open(options: SecretsCertificateOptions): Promise<SecretsCertificate> {
    return new SecretsCertificate(options, await read(options));
  }

  /** For the next handshake. */
  context(): SecureContext {
    return this.#context;
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #lookLater(): void {
    this.#timer = this.#options.clock.after(LOOK_EVERY_MS, () => {
      void this.#look().then(() => {
        if (!this.#stopped) this.#lookLater();
      });
    });
  }

  async #look(): Promise<void> {
    try {
      const text = await read(this.#options);
      if (text !== this.#text) {
        this.#context = contextOf(text);
        this.#text = text;
      }
      this.#failing = false;
    } catch (error) {
      // Clients still get the certificate that worked, until it ends.
      if (!this.#failing) this.#options.report(error);
      this.#failing = true;
    }
  }
}

async function read({ client, secretArn }: SecretsCertificateOptions): Promise<string> {
  try {
    const { SecretString: text } = await client.send(new GetSecretValueCommand({ SecretId: secretArn }));
    if (text === undefined) throw new Error('the secret holds no text');
    return text;
  } catch (cause) {
    throw new CertificateUnusable(`the secret ${secretArn} with the certificate cannot be read`, { cause });
  }
}

/** A key that is not the certificate's is refused here, not at the first handshake. Errors never repeat the secret. */
function contextOf(text: string): SecureContext {
  try {
    const secret: unknown = JSON.parse(text);
    const { certificate, privateKey }: Readonly<Record<string, unknown>> =
      typeof secret === 'object' && secret !== null ? { ...secret } : {};
    if (typeof certificate !== 'string' || typeof privateKey !== 'string') throw new Error('no certificate and privateKey');
    return createSecureContext({ cert: certificate, key: privateKey, minVersion: 'TLSv1.2' });
  } catch {
    throw new CertificateUnusable('the secret holds no {"certificate","privateKey"} in PEM that belong together');
  }
}
