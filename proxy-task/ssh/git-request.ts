/**
 * What a client asks of receive-pack before its pack (gitprotocol-pack, "Reference Update Request"), read as strictly as it is
 * written by git: the host gets these very bytes, and must not read anything else in them.
 */
import type { GitHeldBytes } from './git-held-bytes.ts';
import { chosenCapabilities, type Capabilities } from './git-capabilities.ts';
import type { Offer } from './git-advertisement.ts';
import { isNoObject, isObjectId, isRefName, MAX_REF_BYTES, OBJECT_FORMATS } from './git-ref.ts';
import { MalformedMessage } from './messages/malformed-message.ts';
import { readPktLine, withoutLineFeed } from './messages/pkt-line.ts';

/** People read every one of them, and policy judges each. */
export const MAX_REF_UPDATES = 1_000;
const MAX_SHALLOW = 10_000;
const MAX_PUSH_OPTIONS = 64;
const MAX_OPTION_BYTES = 1_024;
/** Room for all of the above as git writes them. */
export const MAX_REQUEST_BYTES = 2 * 1024 * 1024;

const NUL = 0;
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export type GitCommand = { readonly ref: string; readonly from: string; readonly to: string };
export type GitRequest = {
  readonly commands: readonly GitCommand[];
  readonly options: readonly string[] | undefined;
  readonly capabilities: Capabilities;
  /** As they came, for the host. */
  readonly bytes: Buffer;
  /** Whether a pack follows: git sends none where refs are only deleted. */
  readonly withPack: boolean;
};

export class GitRequestReader {
  readonly #offer: Offer;
  readonly #held: GitHeldBytes;
  readonly #commands: GitCommand[] = [];
  readonly #options: string[] = [];
  readonly #refs = new Set<string>();
  #capabilities: Capabilities | undefined;
  #at = 0;
  #shallow = 0;
  #inOptions = false;

  /** `held` gets what the client sends; after the request, the beginning of its pack is left in it. */
  constructor(offer: Offer, held: GitHeldBytes) {
    this.#offer = offer;
    this.#held = held;
  }

  /** Reads on; undefined while more must come. Throws MalformedMessage. */
  read(): GitRequest | undefined {
    const bytes = this.#held.view;
    for (;;) {
      const line = readPktLine(bytes, this.#at);
      const end = line?.end ?? bytes.length;
      if (end > MAX_REQUEST_BYTES) throw new MalformedMessage('the push asks for too much at once');
      if (line === undefined) return undefined;
      this.#at = line.end;
      if (line.kind === 'data') {
        if (this.#inOptions) this.#option(line.payload);
        else this.#line(line.payload);
      } else if (line.kind !== 'flush') {
        throw new MalformedMessage('the push has a packet of another protocol');
      } else if (!this.#inOptions && this.#capabilities?.has('push-options') === true) this.#inOptions = true;
      else return this.#request(bytes);
    }
  }

  #request(bytes: Buffer): GitRequest {
    const request: GitRequest = {
      commands: this.#commands,
      options: this.#inOptions ? this.#options : undefined,
      capabilities: this.#capabilities ?? new Map(),
      bytes: Buffer.from(bytes.subarray(0, this.#at)),
      withPack: this.#commands.some(({ to }) => !isNoObject(to)),
    };
    this.#held.skip(this.#at);
    return request;
  }

  #line(payload: Buffer): void {
    const nul = payload.indexOf(NUL);
    const isFirst = this.#commands.length === 0;
    // The host would read capabilities in every line; git writes them into the first.
    if (nul !== -1 && !isFirst) throw new MalformedMessage('the push names its capabilities twice');
    const text = nul === -1 ? withoutLineFeed(payload) : payload.subarray(0, nul);
    if (isFirst && text.toString('latin1', 0, 8) === 'shallow ') {
      this.#readShallow(text, nul);
      return;
    }
    if (isFirst) {
      const wanted = nul === -1 ? '' : decoded(withoutLineFeed(payload.subarray(nul + 1)), 'its capabilities');
      this.#capabilities = chosenCapabilities(wanted, this.#offer.capabilities);
    }
    this.#commands.push(this.#command(text));
  }

  #readShallow(text: Buffer, nul: number): void {
    this.#shallow += 1;
    if (this.#shallow > MAX_SHALLOW) throw new MalformedMessage('the push names too many shallow commits');
    if (nul !== -1 || !isObjectId(text.toString('latin1', 8), this.#offer.format))
      throw new MalformedMessage('a shallow commit without id');
  }

  #command(text: Buffer): GitCommand {
    if (this.#commands.length === MAX_REF_UPDATES) {
      throw new MalformedMessage(`the push changes more than ${MAX_REF_UPDATES} refs at once; push fewer at a time`);
    }
    if (text.toString('latin1') === 'push-cert') throw new MalformedMessage('signed pushes do not pass');
    const digits = OBJECT_FORMATS[this.#offer.format];
    const from = text.toString('latin1', 0, digits);
    const to = text.toString('latin1', digits + 1, 2 * digits + 1);
    const spaces = text.toString('latin1', digits, digits + 1) + text.toString('latin1', 2 * digits + 1, 2 * digits + 2);
    if (!isObjectId(from, this.#offer.format) || !isObjectId(to, this.#offer.format) || spaces !== '  ') {
      throw new MalformedMessage('the push has a line that is no update of a ref');
    }
    const name = text.subarray(2 * digits + 2);
    const ref = name.length > MAX_REF_BYTES ? '' : decoded(name, 'the name of a ref');
    if (!isRefName(ref)) throw new MalformedMessage('the push names a ref that git does not allow');
    if (this.#refs.has(ref)) throw new MalformedMessage('the push changes a ref twice');
    this.#refs.add(ref);
    return { ref, from, to };
  }

  #option(payload: Buffer): void {
    const text = withoutLineFeed(payload);
    const isTooMuch = this.#options.length === MAX_PUSH_OPTIONS || text.length > MAX_OPTION_BYTES;
    if (isTooMuch || text.includes(NUL)) throw new MalformedMessage('the push has options that cannot be shown to people');
    this.#options.push(decoded(text, 'an option'));
  }
}

function decoded(bytes: Buffer, what: string): string {
  try {
    return UTF8.decode(bytes);
  } catch (cause) {
    throw new MalformedMessage(`${what} is no text in UTF-8`, { cause });
  }
}
