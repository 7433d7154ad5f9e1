/** The client side of SCRAM-SHA-256 (RFC 5802, RFC 7677) as PostgreSQL speaks it. No sockets; only PBKDF2 takes time. */
import { createHash, createHmac, pbkdf2, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { SallyportError } from '../../core/errors.ts';
import { saslprep } from './saslprep.ts';

export const SCRAM_SHA_256 = 'SCRAM-SHA-256';
export const SCRAM_SHA_256_PLUS = 'SCRAM-SHA-256-PLUS';

/** RFC 7677 asks for this many at least; fewer would let a false server guess the password from one exchange. */
const MIN_ITERATIONS = 4_096;
/** A server could make the gateway compute for minutes. */
const MAX_ITERATIONS = 1_000_000;
const KEY_BYTES = 32;
const derive = promisify(pbkdf2);

/** The server broke the rules of the exchange, or does not know the password: it may not be the target. */
export class ScramFailed extends SallyportError {
  readonly code = 'scram-failed';
}

/** What both sides prove from. */
export type ScramKeys = { readonly clientKey: Buffer; readonly serverKey: Buffer };

/**
 * Keys by password, salt and iterations, so that PBKDF2 runs once per secret and not once per session. Entries are found by
 * a keyed hash; the password itself is not kept. Equal requests at the same time share one computation.
 */
export class ScramKeyCache {
  readonly #hashKey: Buffer;
  readonly #maxEntries: number;
  readonly #entries = new Map<string, Promise<ScramKeys>>();

  /** `hashKey`: 32 random bytes of this process. */
  constructor(options: { readonly hashKey: Buffer; readonly maxEntries?: number }) {
    this.#hashKey = options.hashKey;
    this.#maxEntries = options.maxEntries ?? 256;
  }

  async keys(password: string, salt: Buffer, iterations: number): Promise<ScramKeys> {
    const name = createHmac('sha256', this.#hashKey)
      .update(`${iterations} ${salt.toString('base64')} ${password}`)
      .digest('base64');
    const found = this.#entries.get(name);
    if (found !== undefined) return found;
    if (this.#entries.size >= this.#maxEntries) {
      // Maps iterate in order of insertion: the oldest goes.
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest);
        break;
      }
    }
    const computed = computeKeys(password, salt, iterations);
    this.#entries.set(name, computed);
    computed.catch(() => this.#entries.delete(name));
    return computed;
  }
}

/**
 * `tls-server-end-point` data to bind to; `unoffered`: the gateway could have bound, the server did not offer it; `none`:
 * there is no TLS, or its certificate has no hash to bind to (RFC 5929 §4.1).
 */
export type ChannelBinding = { readonly kind: 'bound'; readonly data: Buffer } | { readonly kind: 'unoffered' } | { readonly kind: 'none' };

export type ScramOptions = {
  readonly password: string;
  /** 18 random bytes in base 64. */
  readonly clientNonce: string;
  readonly binding: ChannelBinding;
  readonly keys: ScramKeyCache;
};

/** One exchange: `first`, then `final` with the server's first message, then `verify` with its final one. All throw ScramFailed. */
export class ScramExchange {
  readonly #options: ScramOptions;
  readonly #header: string;
  #serverSignature: Buffer | undefined;

  constructor(options: ScramOptions) {
    this.#options = options;
    this.#header = { bound: 'p=tls-server-end-point,,', unoffered: 'y,,', none: 'n,,' }[options.binding.kind];
  }

  get mechanism(): string {
    return this.#options.binding.kind === 'bound' ? SCRAM_SHA_256_PLUS : SCRAM_SHA_256;
  }

  first(): Buffer {
    return Buffer.from(this.#header + this.#firstBare());
  }

  async final(serverFirst: Buffer): Promise<Buffer> {
    const { nonce, salt, iterations } = this.#readServerFirst(serverFirst.toString('latin1'));
    const { password, binding } = this.#options;
    const keys = await this.#options.keys.keys(password, salt, iterations);
    const bound = binding.kind === 'bound' ? Buffer.concat([Buffer.from(this.#header), binding.data]) : Buffer.from(this.#header);
    const withoutProof = `c=${bound.toString('base64')},r=${nonce}`;
    const signed = `${this.#firstBare()},${serverFirst.toString('latin1')},${withoutProof}`;
    const storedKey = createHash('sha256').update(keys.clientKey).digest();
    const proof = hmac(storedKey, signed);
    for (let i = 0; i < proof.length; i++) proof[i] = (proof[i] ?? 0) ^ (keys.clientKey[i] ?? 0);
    this.#serverSignature = hmac(keys.serverKey, signed);
    return Buffer.from(`${withoutProof},p=${proof.toString('base64')}`);
  }

  verify(serverFinal: Buffer): void {
    const signature = /^v=(?<signature>[A-Za-z0-9+/]{43}=)(?:,.*)?$/u.exec(serverFinal.toString('latin1'))?.groups?.['signature'];
    if (signature === undefined || this.#serverSignature === undefined) throw new ScramFailed('the server did not prove itself');
    const given = Buffer.from(signature, 'base64');
    if (given.length !== this.#serverSignature.length || !timingSafeEqual(given, this.#serverSignature)) {
      throw new ScramFailed('the server does not know the password');
    }
  }

  /** PostgreSQL takes the role from the startup packet, so the name stays empty. */
  #firstBare(): string {
    return `n=,r=${this.#options.clientNonce}`;
  }

  #readServerFirst(message: string): { nonce: string; salt: Buffer; iterations: number } {
    const match =
      /^r=(?<nonce>[\x21-\x2b\x2d-\x7e]+),s=(?<salt>(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?),i=(?<iterations>[1-9]\d{0,8})$/u.exec(
        message,
      );
    const nonce = match?.groups?.['nonce'] ?? '';
    const salt = Buffer.from(match?.groups?.['salt'] ?? '', 'base64');
    const iterations = Number(match?.groups?.['iterations'] ?? 0);
    const { clientNonce } = this.#options;
    if (!nonce.startsWith(clientNonce) || nonce.length === clientNonce.length)
      throw new ScramFailed('the server answered with a foreign nonce');
    if (salt.length === 0) throw new ScramFailed('the server sent no salt');
    if (iterations < MIN_ITERATIONS || iterations > MAX_ITERATIONS) {
      throw new ScramFailed(`the server asks for ${iterations} iterations; ${MIN_ITERATIONS} to ${MAX_ITERATIONS} are taken`);
    }
    return { nonce, salt, iterations };
  }
}

async function computeKeys(password: string, salt: Buffer, iterations: number): Promise<ScramKeys> {
  const salted = await derive(saslprep(password), salt, iterations, KEY_BYTES, 'sha256');
  return { clientKey: hmac(salted, 'Client Key'), serverKey: hmac(salted, 'Server Key') };
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text, 'latin1').digest();
}
