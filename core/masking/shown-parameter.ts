/** A bound parameter as evidence keeps it and approvers read it. */
import { redactText, type DetectorSet } from './detectors.ts';

const MAX_SHOWN_BYTES = 1024;
const INT8 = 20;
const INT2 = 21;
const INT4 = 23;

export type ShownParameter = { readonly type: number; readonly format: number; readonly value: Uint8Array | null };

/** Text through the detectors, cut where it is long; binary by its length; null where NULL. */
export function shownParameter({ type, format, value }: ShownParameter, detectors: DetectorSet): string | null {
  if (value === null) return null;
  if (format === 1) return binaryShown(type, Buffer.from(value.buffer, value.byteOffset, value.byteLength));
  const text = Buffer.from(value.buffer, value.byteOffset, Math.min(value.byteLength, MAX_SHOWN_BYTES)).toString('utf8');
  return redactText(value.byteLength > MAX_SHOWN_BYTES ? `${text}…` : text, detectors);
}

function binaryShown(type: number, value: Buffer): string {
  if (type === INT4 && value.length === 4) return String(value.readInt32BE());
  if (type === INT2 && value.length === 2) return String(value.readInt16BE());
  if (type === INT8 && value.length === 8) return String(value.readBigInt64BE());
  return `[${value.length} bytes in binary]`;
}
