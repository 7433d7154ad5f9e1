/** What receive-pack offers and a client asks for (gitprotocol-capabilities): only what the gateway understands passes. */
import { MalformedMessage } from './messages/malformed-message.ts';
import { OBJECT_FORMATS, type ObjectFormat } from './git-ref.ts';

const SWITCHES = new Set([
  'report-status',
  'report-status-v2',
  'delete-refs',
  'side-band-64k',
  'quiet',
  'atomic',
  'ofs-delta',
  'no-thin',
  'push-options',
]);
const WITH_VALUE = new Set(['object-format', 'agent', 'session-id']);

/** Names with their values; a switch has the value ''. */
export type Capabilities = ReadonlyMap<string, string>;

/**
 * Of the host's offer, what may reach the client. Signed pushes are not offered: their commands stand in the certificate, which
 * the host alone could check. A client that insists on one stops with git's own words.
 */
export function offeredCapabilities(text: string): Capabilities {
  const known = parse(text).filter(([name, value]) => (value === undefined ? SWITCHES.has(name) : WITH_VALUE.has(name)));
  return new Map(known.map(([name, value = '']) => [name, value]));
}

export function writeCapabilities(capabilities: Capabilities): string {
  return [...capabilities].map(([name, value]) => (SWITCHES.has(name) ? name : `${name}=${value}`)).join(' ');
}

/**
 * What the client asks for. The host ignores what it has not offered: then the two would read what follows differently, so that
 * it is refused. Throws MalformedMessage.
 */
export function chosenCapabilities(text: string, offered: Capabilities): Capabilities {
  const chosen = new Map<string, string>();
  // The host takes any white space for a border, and NUL for the end.
  if (!/^[ -~]*$/u.test(text)) throw new MalformedMessage('the client asks for a capability with characters that none has');
  for (const [name, value] of parse(text)) {
    const known = value === undefined ? SWITCHES.has(name) : WITH_VALUE.has(name);
    if (!known || !offered.has(name)) throw new MalformedMessage('the client asks for a capability that was not offered');
    if (chosen.has(name)) throw new MalformedMessage('the client asks for a capability twice');
    chosen.set(name, value ?? '');
  }
  const format = chosen.get('object-format');
  if (format !== undefined && format !== offered.get('object-format')) throw new MalformedMessage('the client uses another object format');
  return chosen;
}

/** Throws MalformedMessage for a hash that the gateway cannot compute. */
export function objectFormat(capabilities: Capabilities): ObjectFormat {
  const format = capabilities.get('object-format') ?? 'sha1';
  if (format === 'sha1' || format === 'sha256') return format;
  throw new MalformedMessage(`an object format other than ${Object.keys(OBJECT_FORMATS).join(' and ')}`);
}

function parse(text: string): readonly (readonly [name: string, value: string | undefined])[] {
  return text
    .split(' ')
    .filter((word) => word !== '')
    .map((word) => {
      const at = word.indexOf('=');
      return at === -1 ? ([word, undefined] as const) : ([word.slice(0, at), word.slice(at + 1)] as const);
    });
}
