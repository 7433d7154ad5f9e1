import { opaqueExecReader, type ExecReader } from '../core/statement/host/host-reading.ts';

/** What reads commands, as sessions do. */
export function execReader(): Promise<ExecReader> {
  return Promise.resolve(opaqueExecReader);
}
