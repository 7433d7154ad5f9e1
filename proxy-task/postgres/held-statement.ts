import type { AskedStatement } from '../../core/approval/asked-statement.ts';
import type { RawSql } from '../../core/approval/raw-statement.ts';

/** A statement as it would go upstream, with everything that an approval of it is bound to. */
export type HeldStatement = AskedStatement & Pick<RawSql, 'fromSql' | 'prepared' | 'inTransaction' | 'unsettled'>;
