/**
 * One instance of a grammar's WebAssembly module. A text that nests too deeply overflows the stack inside it and leaves it
 * broken: after some dozen of those it fails for every text, or never returns. So an instance that threw is never used again.
 */
import type { PostgresMajor } from '../../target.ts';

/** What PostgreSQL's parser says of a text. Positions are in characters from 0. */
export type Answer =
  | { readonly kind: 'tree'; readonly json: string }
  | { readonly kind: 'refused'; readonly message: string; readonly position: number }
  /** The instance could not hold the text, or is being replaced after one that it could not hold. */
  | { readonly kind: 'overflow' }
  | { readonly kind: 'restarting' };

export interface Grammar {
  parse(text: string): Answer;
}

/** The slots of `PgQueryParseResult` and `PgQueryError` (pg_query.h): pointers of four bytes. */
const RESULT = { tree: 0, error: 8 } as const;
const ERROR = { message: 0, cursor: 16 } as const;

/** Loads the grammar of a major version into an instance of its own. */
export async function loadGrammar(major: PostgresMajor): Promise<Grammar> {
  const create = await factoryOf(major);
  let instance: PgQueryInstance | undefined = await create();
  function replace(): void {
    instance = undefined;
    // Until the new instance is there, every text is refused; so it stays if there is none.
    void create().then(
      (fresh) => {
        instance = fresh;
      },
      () => undefined,
    );
  }
  return {
    parse(text) {
      if (instance === undefined) return { kind: 'restarting' };
      try {
        return ask(instance, text);
      } catch {
        // Whatever it threw, it is no longer to be trusted, and nothing was parsed.
        replace();
        return { kind: 'overflow' };
      }
    },
  };
}

async function factoryOf(major: PostgresMajor): Promise<() => Promise<PgQueryInstance>> {
  switch (major) {
    case 15:
      return (await import('libpg-query-15/wasm/libpg-query.js')).default;
    case 16:
      return (await import('libpg-query-16/wasm/libpg-query.js')).default;
    case 17:
      return (await import('libpg-query-17/wasm/libpg-query.js')).default;
    case 18:
      return (await import('libpg-query-18/wasm/libpg-query.js')).default;
  }
}

function ask(instance: PgQueryInstance, text: string): Answer {
  const bytes = instance.lengthBytesUTF8(text) + 1;
  const input = instance._malloc(bytes);
  if (input === 0) throw new Error('out of memory');
  instance.stringToUTF8(text, input, bytes);
  const result = instance._wasm_parse_query_raw(input);
  if (result === 0) throw new Error('out of memory');
  const answer = readAnswer(instance, result);
  instance._wasm_free_parse_result(result);
  instance._free(input);
  return answer;
}

function readAnswer(instance: PgQueryInstance, result: number): Answer {
  const error = instance.getValue(result + RESULT.error, 'i32');
  if (error !== 0) {
    const message = instance.UTF8ToString(instance.getValue(error + ERROR.message, 'i32'));
    return { kind: 'refused', message, position: Math.max(0, instance.getValue(error + ERROR.cursor, 'i32') - 1) };
  }
  return { kind: 'tree', json: instance.UTF8ToString(instance.getValue(result + RESULT.tree, 'i32')) };
}
