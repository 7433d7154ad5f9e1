/** Why the connection of a client ends without its having said so: for the record, and for the client where it can still read. */
import { visibleText } from '../../core/approval/visible.ts';
import { MAX_PACKET_BYTES } from './limits.ts';
import { protocolBroken, reconnect, type HostRefusal } from './refusal.ts';

export type ClientFault = {
  /** For the evidence. */
  readonly fault: string;
  /** Undefined where nobody is there to read it. */
  readonly refusal?: HostRefusal;
};

const MAX_TEXT_CHARACTERS = 200;

/** `error` is what the transport tells of a connection. */
export function clientFault(error: unknown): ClientFault {
  if (!(error instanceof Error)) return { fault: 'a protocol error', refusal: protocolBroken('the connection broke') };
  // What was found to be wrong, as the transport marks it.
  const { level, code } = error as Error & { readonly level?: string; readonly code?: unknown };
  // Words of the client may be in it.
  const message = visibleText(error.message.slice(0, MAX_TEXT_CHARACTERS), false);
  if (level === 'client-timeout') {
    const fault = 'the client did not answer keep-alives';
    return { fault, refusal: reconnect(fault, 'unknown') };
  }
  if (level === 'socket') return { fault: `the connection broke: ${typeof code === 'string' ? code : message}` };
  if (typeof code === 'number') return { fault: `the client gave up: ${message}` };
  // OpenSSL's words for it are none.
  if (/^error:|\bMAC\b|authenticate data/u.test(error.message)) {
    const forged = 'a packet was changed on its way, or was none';
    return { fault: `a protocol error: ${forged}`, refusal: protocolBroken(forged) };
  }
  const length = /^Bad packet length(?:: (\d+))?/u.exec(error.message);
  if (length === null) return { fault: `a protocol error: ${message}`, refusal: protocolBroken(message) };
  const bytes = Number(length[1] ?? 0);
  const said = bytes > MAX_PACKET_BYTES ? `a message of ${bytes} bytes` : 'a message';
  const most = MAX_PACKET_BYTES.toLocaleString('en');
  const refusal = protocolBroken(
    `${said} is longer than the gateway reads (${most} bytes; 35,000 with a cipher that is neither AES-GCM nor ChaCha20), or is none`,
    'Send a long script on standard input or as a file.',
  );
  return { fault: `a protocol error: ${message}`, refusal };
}
