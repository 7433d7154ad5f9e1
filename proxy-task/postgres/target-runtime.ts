/** One target as all its sessions see it: grammar, catalog, and masks bound to that catalog under the current bundle. */
import { SallyportError } from '../../core/errors.ts';
import { bindMasks } from '../../core/masking/bind.ts';
import { compileDetectors, type DetectorSet } from '../../core/masking/detectors.ts';
import type { BoundMasks } from '../../core/masking/rules.ts';
import type { Bundle } from '../../core/policy/bundle.ts';
import type { Principal } from '../../core/principal.ts';
import type { Catalog, ColumnKey } from '../../core/statement/sql/catalog.ts';
import { DATA_HOLDING_CATALOG_COLUMNS } from '../../core/statement/sql/data-holding-columns.ts';
import type { Parsed, SqlParser } from '../../core/statement/sql/parse.ts';
import type { PostgresTarget } from '../../core/target.ts';

/** Keeps the snapshot of one target's catalog; see `adapters/postgres-catalog-source.ts`. */
export interface CatalogSource {
  /** Throws CatalogUnavailable when it cannot be trusted any longer. */
  current(): Catalog;
  /** Resolves with a snapshot that was taken after this call. */
  refresh(): Promise<Catalog>;
}

/** A masking rule resolves to nothing on this target: it stays closed until rule or target is mended. */
export class TargetClosed extends SallyportError {
  readonly code = 'target-closed';
}

export class TargetRuntime {
  readonly target: PostgresTarget;
  readonly parser: SqlParser;
  readonly catalogSource: CatalogSource;
  /** Parses long texts off the event loop. */
  readonly parseOffLoop: (text: string) => Promise<Parsed>;
  #bound: { readonly catalog: Catalog; readonly bundle: Bundle; readonly masks: BoundMasks } | undefined;
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
    const bound = bindMasks(bundle.masks, catalog, this.target.name, DATA_HOLDING_CATALOG_COLUMNS);
    if ('problems' in bound) {
      const first = bound.problems[0];
      throw new TargetClosed(
        `masking rules do not resolve on target "${this.target.name}": ${first === undefined ? '' : `${first.rule.source}: ${first.reason}`}`,
      );
    }
    this.#bound = { catalog, bundle, masks: bound.masks };
    return bound.masks;
  }

  detectors(bundle: Bundle): DetectorSet {
    if (this.#detectors?.bundle === bundle) return this.#detectors.set;
    const rules = bundle.patterns.filter((rule) => rule.target === this.target.name);
    const names = [...new Set([...this.target.detectors, ...rules.flatMap((rule) => rule.detectors)])];
    const set = compileDetectors(
      names,
      rules.flatMap((rule) => rule.expressions),
    );
    this.#detectors = { bundle, set };
    return set;
  }
}

/** Columns of `masks` that policy lets this principal see. */
export function revealedColumns(bundle: Bundle, principal: Principal, target: string, masks: BoundMasks): ReadonlySet<ColumnKey> {
  const revealed = new Set<ColumnKey>();
  for (const mask of masks.values()) {
    if (bundle.policies.reveals(principal, target, { type: 'Column', path: mask.columnName.split('.') })) revealed.add(mask.column);
  }
  return revealed;
}
