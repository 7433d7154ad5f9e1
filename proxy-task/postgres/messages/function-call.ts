import { readFormats } from './bind.ts';
import { MalformedMessage } from './malformed-message.ts';
import { MessageReader } from './message-reader.ts';

/** The fast-path call of a function by OID: always refused (design §5), decoded so that the refusal can name it. */
export type FunctionCall = { readonly functionOid: number; readonly argumentCount: number };

/** `F`. Throws MalformedMessage. */
export function decodeFunctionCall(buffer: Buffer, start: number, end: number): FunctionCall {
  const reader = new MessageReader('FunctionCall', buffer, start, end);
  const functionOid = reader.uint32();
  const formats = readFormats('FunctionCall', reader);
  const argumentCount = reader.uint16();
  if (formats.length > 1 && formats.length !== argumentCount) {
    throw new MalformedMessage(`malformed FunctionCall message: ${formats.length} formats for ${argumentCount} arguments`);
  }
  for (let i = 0; i < argumentCount; i++) {
    const bytes = reader.int32();
    if (bytes !== -1) reader.skip(bytes);
  }
  reader.skip(2);
  reader.finish();
  return { functionOid, argumentCount };
}
