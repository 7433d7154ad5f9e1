/** A request for people's answer: read and judged anew from the raw statement, then kept. What its holder says decides nothing. */
import { parseAsk, type ApprovalAsk, type SqlAsk } from '../../core/approval/ask.ts';
import type { AskAnswer } from '../../core/approval/ask-answer.ts';
import { FieldMalformed } from '../../core/approval/fields.ts';
import { notConfigured } from '../../core/approval/known-principal.ts';
import type { Reread } from '../../core/approval/reread.ts';
import { rereadOperation } from '../../core/approval/reread-operation.ts';
import { openCatalog, rereadStatement, type ReadableTarget } from '../../core/approval/reread-statement.ts';
import { isCatalogVersion } from '../../core/approval/staged-catalog.ts';
import type { Config } from '../../core/config/config.ts';
import type { Bundle } from '../../core/policy/bundle.ts';
import { findDatabase, findHost } from '../../core/target.ts';
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
    const unknown = notConfigured(ask.raw.principal, config);
    if (unknown !== undefined) return this.#differs(ask, ask.bundle === bundle.version ? 'principal' : 'bundle', unknown);
    const read = await this.#read(ask, config, bundle);
    if (read === undefined) return { kind: 'unavailable', reason: `the bundle in force has no such target as "${ask.raw.target}"` };
    return read.kind === 'asks' ? storeRequest(this.#ports, read.request) : this.#differs(ask, read.what, read.reason);
  }

  /** Undefined where the target is not there, or is of another kind. */
  async #read(ask: ApprovalAsk, config: Config, bundle: Bundle): Promise<Reread | undefined> {
    const [key, nowMs] = [await this.#ports.digestKey(), this.#ports.now()];
    if (ask.protocol === 'ssh') {
      const target = findHost(config.targets, ask.raw.target);
      if (target === undefined) return undefined;
      return rereadOperation(ask, { bundle, target, readExec: await this.#ports.readExec(), key, nowMs });
    }
    const target = findDatabase(config.targets, ask.raw.target);
    if (target === undefined) return undefined;
    return rereadStatement(ask, { bundle, target, readable: await this.#readable(ask), key, nowMs });
  }

  #differs({ id }: ApprovalAsk, what: string, reason: string): AskAnswer {
    this.#ports.differs(id, what, reason);
    return { kind: 'unavailable', reason };
  }

  #readable({ raw, catalogVersion }: SqlAsk): Promise<ReadableTarget> {
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
