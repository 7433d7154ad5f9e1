/** The certificate of a listener: read from its files, and taken up again when they change. */
import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { ListenerTls } from '../core/config/config.ts';
import { SallyportError } from '../core/errors.ts';
import type { ConsoleCertificate } from './console-server.ts';

/** A listener has no certificate, or not the key of it. */
export class CertificateUnusable extends SallyportError {
  readonly code = 'certificate-unusable';
}

export class ListenerCertificate {
  readonly #paths: readonly [cert: string, key: string];
  readonly #report: (error: unknown) => void;
  #stamp: string;
  #pem: ConsoleCertificate;
  #context: SecureContext;
  #unusableNow = false;

  /** Throws CertificateUnusable. `report` is told of a renewed one that cannot be used: the old one stays. */
  constructor(tls: ListenerTls, configDir: string, report: (error: unknown) => void) {
    this.#paths = [resolve(configDir, tls.certFile), resolve(configDir, tls.keyFile)];
    this.#report = report;
    try {
      this.#stamp = this.#stampNow();
      this.#pem = this.#read();
      this.#context = contextOf(this.#pem);
    } catch (cause) {
      throw this.#unusable(cause);
    }
  }

  /** What `look` last found to be usable. */
  get pem(): ConsoleCertificate {
    return this.#pem;
  }

  /** For the next handshake. */
  context(): SecureContext {
    this.look();
    return this.#context;
  }

  /** True when there is another certificate than at the last look. A change that cannot be used is reported once. */
  look(): boolean {
    try {
      const stamp = this.#stampNow();
      if (stamp === this.#stamp) return false;
      this.#stamp = stamp;
      const pem = this.#read();
      this.#context = contextOf(pem);
      this.#pem = pem;
      this.#unusableNow = false;
      return true;
    } catch (cause) {
      // Between two writes of a renewal, or damaged: clients still get the certificate that worked.
      if (!this.#unusableNow) this.#report(this.#unusable(cause));
      this.#unusableNow = true;
      return false;
    }
  }

  #stampNow(): string {
    return this.#paths
      .map((path) => statSync(path))
      .map(({ mtimeMs, size, ino }) => `${mtimeMs} ${size} ${ino}`)
      .join(' ');
  }

  #read(): ConsoleCertificate {
    const [cert, key] = this.#paths;
    return { cert: readFileSync(cert), key: readFileSync(key) };
  }

  #unusable(cause: unknown): CertificateUnusable {
    return new CertificateUnusable(`${this.#paths.join(' and ')} cannot be used for TLS`, { cause });
  }
}

function contextOf(pem: ConsoleCertificate): SecureContext {
  return createSecureContext({ ...pem, minVersion: 'TLSv1.2' });
}
