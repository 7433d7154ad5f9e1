/** A request for people's answer: read and judged anew from the raw statement, then kept. What its holder says decides nothing. */
import { parseAsk, type ApprovalAsk } from '../../core/approval/ask.ts';
import type { AskAnswer } from '../../core/approval/ask-answer.ts';
import { FieldMalformed } from '../../core/approval/fields.ts';
import { notConfigured } from '../../core/approval/known-principal.ts';
import { openCatalog, rereadStatement, type ReadableTarget } from '../../core/approval/reread-statement.ts';
import { isCatalogVersion } from '../../core/approval/staged-catalog.ts';
import type { ReadingPorts, StoringPorts } from './ports.ts';
import { storeRequest } from './store-request.ts';

/** Catalogs that are kept open between invocations; a large one has some ten megabytes. */
const MAX_OPEN = 4;

export class RequestApproval {
  readonly #ports: ReadingPorts & StoringPorts;
  readonly #open = new Map<string, Promise<ReadableTarget>>();

  constructor(ports: ReadingPorts & StoringPorts) {
    this.#ports = ports;
  }

  /** Throws FieldMalformed for an event that is none, and what the ports throw. */
  async ask(event: unknown): Promise<AskAnswer> {
    const ask = parseAsk(event);
    const { config, bundle } = await this.#ports.inForce();
    const target = config.targets.find(({ name }) => name === ask.raw.target);
    if (target?.kind !== 'postgres') return { kind: 'unavailable', reason: `the bundle in force has no database "${ask.raw.target}"` };
    const unknown = notConfigured(ask.raw.principal, config);
    if (unknown !== undefined) return this.#differs(ask, ask.bundle === bundle.version ? 'principal' : 'bundle', unknown);
    const readable = await this.#readable(ask);
    const key = await this.#ports.digestKey();
    const read = rereadStatement(ask, { bundle, target, readable, key, nowMs: this.#ports.now() });
    return read.kind === 'asks' ? storeRequest(this.#ports, read.request) : this.#differs(ask, read.what, read.reason);
  }

  #differs({ id }: ApprovalAsk, what: string, reason: string): AskAnswer {
    this.#ports.differs(id, what, reason);
    return { kind: 'unavailable', reason };
  }

  #readable({ raw, catalogVersion }: ApprovalAsk): Promise<ReadableTarget> {
    if (!isCatalogVersion(catalogVersion)) throw new FieldMalformed('the ask.catalogVersion is no version of a catalog');
    const key = `${raw.target}/${catalogVersion}`;
    const known = this.#open.get(key);
    if (known !== undefined) return known;
    const opening = this.#opened(raw.target, catalogVersion);
    this.#open.set(key, opening);
    opening.catch(() => this.#open.delete(key));
    const oldest = this.#open.keys().next();
    if (this.#open.size > MAX_OPEN && oldest.done !== true) this.#open.delete(oldest.value);
    return opening;
  }

  async #opened(target: string, version: string): Promise<ReadableTarget> {
    const text = await this.#ports.catalog(target, version);
    if (text === undefined) throw new FieldMalformed(`no catalog ${version} of the target "${target}" is staged`);
    return openCatalog(text, version);
  }
}
