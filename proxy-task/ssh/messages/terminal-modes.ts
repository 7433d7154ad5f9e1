/** Encoded terminal modes (RFC 4254 §8): opcodes with a number each, up to an end that may be left out. */

const END = 0;
/** Opcodes from here on have no form that is known: whoever reads stops there. */
const FIRST_UNKNOWN = 160;
const MODE_BYTES = 5;
/** More than there are opcodes. */
const MAX_MODES = 256;

/** The same modes, ended, and nothing behind them; undefined where they are none. */
export function readTerminalModes(encoded: Uint8Array): Buffer | undefined {
  let at = 0;
  while (at < encoded.length) {
    const opcode = encoded[at] ?? END;
    if (opcode === END || opcode >= FIRST_UNKNOWN) break;
    at += MODE_BYTES;
    if (at > encoded.length || at > MAX_MODES * MODE_BYTES) return undefined;
  }
  return Buffer.concat([encoded.subarray(0, at), Buffer.of(END)]);
}
