import { MalformedMessage } from './malformed-message.ts';
import { MessageReader } from './message-reader.ts';
import { MessageWriter } from './message-writer.ts';

/** 0 is text, 1 is binary. */
export type Format = 0 | 1;

export type Bind = {
  readonly portal: string;
  readonly statement: string;
  /** As sent: none (all text), one (for all), or one per parameter. */
  readonly parameterFormats: readonly Format[];
  /** Where each value stands in the buffer; undefined is NULL. */
  readonly parameters: readonly (ValueRange | undefined)[];
  /** As sent: none (all text), one (for all), or one per column. */
  readonly resultFormats: readonly Format[];
};

export type ValueRange = { readonly start: number; readonly end: number };

/** `B`. Values stay where they are: the ranges point into `buffer`. Throws MalformedMessage, WrongEncoding. */
export function decodeBind(buffer: Buffer, start: number, end: number): Bind {
  const reader = new MessageReader('Bind', buffer, start, end);
  const portal = reader.text();
  const statement = reader.text();
  const parameterFormats = readFormats('Bind', reader);
  const count = reader.uint16();
  if (parameterFormats.length > 1 && parameterFormats.length !== count) {
    throw new MalformedMessage(`malformed Bind message: ${parameterFormats.length} formats for ${count} parameters`);
  }
  const parameters: (ValueRange | undefined)[] = [];
  for (let i = 0; i < count; i++) parameters.push(readValue(reader));
  const resultFormats = readFormats('Bind', reader);
  reader.finish();
  return { portal, statement, parameterFormats, parameters, resultFormats };
}

/** The format of the value at `index` under the rule of none, one for all, or one each. */
export function formatAt(formats: readonly Format[], index: number): Format {
  if (formats.length === 1) return formats[0] ?? 0;
  return formats[index] ?? 0;
}

/** `B` with text parameters. */
export function encodeBind(bind: {
  readonly portal: string;
  readonly statement: string;
  readonly parameters: readonly (string | null)[];
  readonly resultFormats?: readonly Format[];
}): Buffer {
  const writer = new MessageWriter().begin('B').text(bind.portal).text(bind.statement).int16(0).int16(bind.parameters.length);
  for (const value of bind.parameters) {
    if (value === null) {
      writer.int32(-1);
      continue;
    }
    const bytes = Buffer.from(value);
    writer.int32(bytes.length).bytes(bytes);
  }
  const formats = bind.resultFormats ?? [];
  writer.int16(formats.length);
  for (const format of formats) writer.int16(format);
  return writer.end().finish();
}

/**
 * The Bind that stands in for a refused message (design §5): it names a prepared statement that does not exist, fails
 * with 26000, rolls back the pipeline and leaves the unnamed statement alive. `statement` must be a name that no client
 * can take; the caller keeps such names from clients.
 */
export function encodeFailingBind(statement: string): Buffer {
  return encodeBind({ portal: '', statement, parameters: [] });
}

/** A list of format codes, as Bind, FunctionCall and Copy responses carry it. */
export function readFormats(message: string, reader: MessageReader): Format[] {
  const count = reader.uint16();
  const formats: Format[] = [];
  for (let i = 0; i < count; i++) {
    const format = reader.int16();
    if (format !== 0 && format !== 1) throw new MalformedMessage(`malformed ${message} message: unknown format ${format}`);
    formats.push(format);
  }
  return formats;
}

function readValue(reader: MessageReader): ValueRange | undefined {
  const bytes = reader.int32();
  if (bytes === -1) return undefined;
  const start = reader.skip(bytes);
  return { start, end: start + bytes };
}
