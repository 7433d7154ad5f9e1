/** Which masked columns each column of a materialized view holds, by its definition. */
import type { BoundMasks } from '../../masking/rules.ts';
import type { Catalog, ColumnKey, Oid, Relation } from './catalog.ts';
import type { SqlParser } from './parse.ts';
import { readSql } from './read-sql.ts';
import type { SessionState } from './session-state.ts';

/** Definitions are printed with every name spelled out. */
const NO_SESSION: SessionState = {
  searchPath: ['pg_catalog'],
  sessionUser: '',
  currentUser: '',
  tempRelations: [],
  tempCode: false,
  settings: [],
  prepared: [],
  version: '',
};

/**
 * A reader of definitions for `bindMasks`. Its answer is undefined where the definition is not understood as a whole, or makes
 * anything of a masked column but its bare value.
 */
export function materializedLineage(
  parser: SqlParser,
  catalog: Catalog,
  isSafe: (oid: Oid) => boolean,
): (view: Relation, masks: BoundMasks) => readonly (readonly ColumnKey[])[] | undefined {
  return (view, masks) => {
    const text = view.viewDefinition;
    if (text === undefined) return undefined;
    const sensitive = new Set(masks.keys());
    // What it holds itself is what is asked for.
    for (const { attnum } of view.columns) sensitive.delete(`${view.oid}.${attnum}`);
    const fullExportRows = Number.POSITIVE_INFINITY;
    const read = readSql({ text, parsed: parser.parse(text), parser, catalog, state: NO_SESSION, sensitive, isSafe, fullExportRows });
    const statement = read.kind === 'read' && read.statements.length === 1 ? read.statements[0] : undefined;
    if (statement?.output === undefined || statement.uses.length > 0) return undefined;
    if (statement.effects.some((effect) => effect.action === 'unknown')) return undefined;
    return statement.output.map((column) => column.sensitive);
  };
}
