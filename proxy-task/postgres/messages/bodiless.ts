import { MalformedMessage } from './malformed-message.ts';
import { encodeMessage } from './message-writer.ts';

/** Sync (`S`), Flush (`H`), Terminate (`X`), CopyDone (`c`) and the like say all with their type. Throws MalformedMessage. */
export function expectNoBody(message: string, start: number, end: number): void {
  if (start !== end) throw new MalformedMessage(`malformed ${message} message: ${end - start} bytes too many`);
}

/** `S` to the target. */
export function encodeSync(): Buffer {
  return encodeMessage('S');
}

/** `H` to the target. */
export function encodeFlush(): Buffer {
  return encodeMessage('H');
}

/** `X` to the target. */
export function encodeTerminate(): Buffer {
  return encodeMessage('X');
}

/** ParseComplete (`1`), BindComplete (`2`), CloseComplete (`3`), NoData (`n`), EmptyQueryResponse (`I`), PortalSuspended (`s`) to the client. */
export function encodeBodiless(type: '1' | '2' | '3' | 'n' | 'I' | 's'): Buffer {
  return encodeMessage(type);
}
