/** The refs that receive-pack shows before anything is pushed (gitprotocol-pack, "Reference Discovery"). */
import { GitHeldBytes } from './git-held-bytes.ts';
import { objectFormat, offeredCapabilities, writeCapabilities, type Capabilities } from './git-capabilities.ts';
import { isObjectId, type ObjectFormat } from './git-ref.ts';
import { MalformedMessage } from './messages/malformed-message.ts';
import { MAX_PKT_BYTES, readPktLine, withoutLineFeed, writePktLine } from './messages/pkt-line.ts';

const NUL = 0;
const SPACE = ' ';

export type Offer = { readonly capabilities: Capabilities; readonly format: ObjectFormat };

export class GitAdvertisement {
  readonly #held = new GitHeldBytes(MAX_PKT_BYTES);
  #offer: Offer | undefined;
  #ended = false;

  /** What the host offered; undefined until all refs have been read. */
  get offer(): Offer | undefined {
    return this.#ended ? (this.#offer ?? { capabilities: new Map(), format: 'sha1' }) : undefined;
  }

  /** Bytes of the host → those for the client, the same but for what is not offered on. Throws MalformedMessage. */
  read(chunk: Buffer): Buffer {
    const passed: Buffer[] = [];
    for (let at = 0; at < chunk.length || this.#held.length > 0;) {
      const part = chunk.subarray(at, at + this.#held.free);
      this.#held.append(part);
      at += part.length;
      const line = this.#ended ? undefined : readPktLine(this.#held.view, 0);
      if (this.#ended) {
        // What follows is for the client alone: the answer to a request that the gateway has let through.
        passed.push(this.#held.take());
        continue;
      }
      if (line === undefined) {
        if (at === chunk.length) break;
        continue;
      }
      if (line.kind === 'flush') this.#ended = true;
      passed.push(line.kind === 'data' ? this.#line(line.payload) : Buffer.from(this.#held.view.subarray(0, line.end)));
      this.#held.skip(line.end);
    }
    return Buffer.concat(passed);
  }

  #line(payload: Buffer): Buffer {
    const text = withoutLineFeed(payload);
    const nul = text.indexOf(NUL);
    if (this.#offer === undefined && nul !== -1) {
      const capabilities = offeredCapabilities(text.toString('utf8', nul + 1));
      this.#offer = { capabilities, format: objectFormat(capabilities) };
      const shown = Buffer.from(writeCapabilities(capabilities));
      return writePktLine(Buffer.concat([this.#ref(text.subarray(0, nul)), Buffer.of(NUL), shown, Buffer.from('\n')]));
    }
    if (nul !== -1) throw new MalformedMessage('the host names its capabilities twice');
    if (this.#offer === undefined) {
      // An error of the host ends the conversation; the client shows it.
      if (!/^version \d$|^ERR /u.test(text.toString('latin1'))) throw new MalformedMessage('the host does not answer as git does');
    } else if (!/^shallow |^ERR /u.test(text.toString('latin1', 0, 8))) this.#ref(text);
    return writePktLine(payload);
  }

  #ref(text: Buffer): Buffer {
    const format = this.#offer?.format ?? 'sha1';
    const [id = ''] = text.toString('latin1').split(SPACE, 1);
    if (!isObjectId(id, format) || text[id.length] !== SPACE.charCodeAt(0))
      throw new MalformedMessage('the host shows a ref without an object');
    return text;
  }
}
