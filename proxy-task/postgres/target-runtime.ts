/** One target as all its sessions see it: grammar, catalog, and masks bound to that catalog under the current bundle. */
import type { DetectorSet } from '../../core/masking/detectors.ts';
import { detectorsOn } from '../../core/masking/target-detectors.ts';
import { type PinnedMask, pinnedMasks } from '../../core/masking/bind.ts';
import type { BoundMasks, MaskRule } from '../../core/masking/rules.ts';
import type { Bundle } from '../../core/policy/bundle.ts';
import type { Catalog, Oid } from '../../core/statement/sql/catalog.ts';
import { materializedLineage } from '../../core/statement/sql/materialized-lineage.ts';
import { safeFunctionsOf } from '../../core/statement/sql/safe-functions.ts';
import type { Parsed, SqlParser } from '../../core/statement/sql/parse.ts';
import { valuesRunCode } from '../../core/statement/sql/type-names.ts';
import type { PostgresTarget } from '../../core/target.ts';
import { masksOf } from '../../core/judging/view.ts';
import { NamesInFlux } from './names-in-flux.ts';

/** Keeps the snapshot of one target's catalog; see `adapters/postgres-catalog-source.ts`. */
export interface CatalogSource {
  /** Throws CatalogUnavailable when it cannot be trusted any longer. */
  current(): Catalog;
  /** Answer of the fingerprint query for the current snapshot. */
  fingerprint(): string;
  /** Resolves with a snapshot that was taken after this call. */
  refresh(): Promise<Catalog>;
  /** The file of the snapshot of this version, from which others build the same catalog. Rejects where it is not kept. */
  dump(version: string): Promise<Buffer>;
}

export class TargetRuntime {
  readonly target: PostgresTarget;
  readonly parser: SqlParser;
  readonly catalogSource: CatalogSource;
  /** Parses long texts off the event loop. */
  readonly parseOffLoop: (text: string) => Promise<Parsed>;
  #bound: { readonly catalog: Catalog; readonly bundle: Bundle; readonly masks: BoundMasks } | undefined;
  /** Names that sessions are changing. */
  readonly flux = new NamesInFlux();
  readonly #pinned = new Map<string, PinnedMask>();
  #constants: { readonly catalog: Catalog; readonly runCode: boolean } | undefined;
  #safe: { readonly catalog: Catalog; readonly isSafe: (oid: Oid) => boolean } | undefined;
  #detectors: { readonly bundle: Bundle; readonly set: DetectorSet } | undefined;

  constructor(options: {
    readonly target: PostgresTarget;
    readonly parser: SqlParser;
    readonly catalogSource: CatalogSource;
    readonly parseOffLoop: (text: string) => Promise<Parsed>;
  }) {
    this.target = options.target;
    this.parser = options.parser;
    this.catalogSource = options.catalogSource;
    this.parseOffLoop = options.parseOffLoop;
  }

  /** Throws TargetClosed when a rule of this bundle names a column that this catalog does not have. */
  masks(catalog: Catalog, bundle: Bundle): BoundMasks {
    if (this.#bound?.catalog === catalog && this.#bound.bundle === bundle) return this.#bound.masks;
    const lineage = materializedLineage(this.parser, catalog, this.isSafe(catalog));
    const masks = masksOf(bundle, catalog, this.target.name, lineage, this.pinned);
    // Names may be changed by whoever may run DDL, also to those of each other: what was masked once stays masked.
    for (const pin of pinnedMasks(bundle.masks, catalog, this.target.name)) this.#pinned.set(`${pin.column} ${maskedName(pin.rule)}`, pin);
    this.#bound = { catalog, bundle, masks };
    return masks;
  }

  /** What masking rules were bound to so far: they hold on to it when names change. */
  get pinned(): readonly PinnedMask[] {
    return [...this.#pinned.values()];
  }

  /** Whether some type of this target runs code for its values: a constant of it runs that code while it is parsed. */
  constantsRunCode(catalog: Catalog): boolean {
    if (this.#constants?.catalog !== catalog) {
      this.#constants = { catalog, runCode: [...catalog.types.keys()].some((type) => valuesRunCode(catalog, type)) };
    }
    return this.#constants.runCode;
  }

  /** Which functions run nothing but PostgreSQL's own, harmless code on this target. */
  isSafe(catalog: Catalog): (oid: Oid) => boolean {
    if (this.#safe?.catalog !== catalog) this.#safe = { catalog, isSafe: safeFunctionsOf(catalog) };
    return this.#safe.isSafe;
  }

  detectors(bundle: Bundle): DetectorSet {
    if (this.#detectors?.bundle === bundle) return this.#detectors.set;
    const set = detectorsOn(this.target, bundle);
    this.#detectors = { bundle, set };
    return set;
  }
}

function maskedName({ schema, table, column }: MaskRule): string {
  return JSON.stringify([schema, table, column]);
}
