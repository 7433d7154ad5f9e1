/**
 * Values that come out of code that cannot be read: they may be anything, masked values too. They are followed like a masked
 * column of their own: released redacted where they are bare, refused where anything is made of them.
 */
import type { ColumnKey } from './catalog.ts';
import type { Sensitive } from './scope.ts';

/** No relation has this OID. Whoever sees every masked column sees these values too: `revealed` then holds this key. */
export const OPAQUE_COLUMN: ColumnKey = '0.0';

export const OPAQUE_VALUE: Sensitive = {
  key: OPAQUE_COLUMN,
  name: 'of a function that cannot be read',
  unique: false,
  constrained: false,
};
