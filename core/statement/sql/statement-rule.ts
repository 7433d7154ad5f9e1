/** How one kind of top-level statement is read. */
import type { Tree } from './ast.ts';
import type { Context } from './context.ts';
import type { Shape } from './scope.ts';

export type StatementRule = {
  /** The statement's kind in words, or how to tell it. */
  readonly kind: string | ((node: Tree) => string);
  /** Reports into the context; the shape of the rows the statement itself returns, if any. */
  read(context: Context, node: Tree): Shape | undefined;
};
