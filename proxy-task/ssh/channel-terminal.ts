/** The terminal of a channel as a client asks for it (RFC 4254 §6.2, §6.7), kept within what is one. */
import type { PseudoTtyInfo, PseudoTtyOptions, WindowChangeInfo } from 'ssh2';
import { readTerminalModes } from './messages/terminal-modes.ts';

export type TerminalSize = { readonly rows: number; readonly cols: number; readonly height: number; readonly width: number };

/** Terminals of the kernel count in 16 bits. */
const MAX_SIZE = 65_535;
const TERM = /^[A-Za-z0-9][A-Za-z0-9+._-]{0,63}$/;

/** `modes`: as the client encoded them. Undefined where it is no terminal that a host should be asked for. */
export function terminalOf(info: PseudoTtyInfo & { readonly term?: string }, modes: Buffer): PseudoTtyOptions | undefined {
  const size = terminalSize(info);
  const term = info.term ?? '';
  const encoded = readTerminalModes(modes);
  if (size === undefined || encoded === undefined || (term !== '' && !TERM.test(term))) return undefined;
  // The transport sends bytes as they are; its types know modes by name only, and its names lack some.
  return { ...size, term: term === '' ? 'dumb' : term, modes: encoded as unknown as NonNullable<PseudoTtyOptions['modes']> };
}

export function terminalSize({ rows, cols, height, width }: PseudoTtyInfo | WindowChangeInfo): TerminalSize | undefined {
  return [rows, cols, height, width].every((value) => value <= MAX_SIZE) ? { rows, cols, height, width } : undefined;
}
