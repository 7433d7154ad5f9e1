/**
 * New keys for a connection that carries much: OpenSSH's clients ask for ChaCha20 first, and the client's order decides (RFC 4253
 * §7.1), though AES-GCM, which processors have instructions for, costs both ends a third of it. Whoever carries little, or has not said
 * that it knows AES-GCM, is left alone.
 */
import type { Client, Connection } from 'ssh2';
import { SshMalformed, SshReader } from '../../../core/ssh/wire.ts';
import { exchangesKeys, protocolOf, socketOf, type Offer } from '../channel-internals.ts';

const SSH_MSG_KEXINIT = 20;
/** Message and cookie (RFC 4253 §7.1). */
const LISTS_AT = 17;
/** An exchange of keys costs some milliseconds. */
const MANY_BYTES = 8 * 1024 * 1024;
const AES_GCM: readonly string[] = ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com'];

/** Of connections that will get new keys: what of AES-GCM the client knows. */
const known = new WeakMap<Client | Connection, readonly string[]>();

/** To be called when the client has said its version: its first list of algorithms comes next. */
export function readOffer(connection: Connection): void {
  const decipher = protocolOf(connection)?._decipher;
  if (decipher === undefined) return;
  const read = decipher._onPayload.bind(decipher);
  decipher._onPayload = (payload) => {
    const ciphers = payload[0] === SSH_MSG_KEXINIT ? gcmOf(payload) : [];
    if (ciphers.length > 0) known.set(connection, ciphers);
    return read(payload);
  };
}

/** Asks for new keys, once, when the connection has carried much under another cipher. To be called now and then. */
export function useBulkCipher(connection: Client | Connection): void {
  const ciphers = known.get(connection);
  const socket = socketOf(connection);
  if (ciphers === undefined || socket === undefined || socket.bytesRead + socket.bytesWritten < MANY_BYTES) return;
  const protocol = protocolOf(connection);
  if (protocol === undefined || exchangesKeys(connection)) return;
  known.delete(connection);
  const { cs, sc } = protocol._kex.negotiated;
  if (ciphers.includes(cs.cipher) && ciphers.includes(sc.cipher)) return;
  protocol._offer = withCiphers(protocol._offer, ciphers);
  protocol.rekey();
}

/** What the client wants of it in both directions, in its order. */
function gcmOf(payload: Buffer): readonly string[] {
  try {
    const reader = new SshReader(payload.subarray(LISTS_AT));
    const names = (what: string): readonly string[] => reader.string(what, payload.length).toString('latin1').split(',');
    names('key exchanges');
    names('host keys');
    const toServer = names('ciphers to the server');
    const toClient = names('ciphers to the client');
    return toServer.filter((name) => AES_GCM.includes(name) && toClient.includes(name));
  } catch (error) {
    // The transport will say so.
    if (error instanceof SshMalformed) return [];
    throw error;
  }
}

function withCiphers({ constructor, lists }: Offer, cipher: readonly string[]): Offer {
  const direction = ({ mac, compress, lang }: Offer['lists']['cs']) => ({
    cipher: [...cipher],
    mac: mac.array,
    compress: compress.array,
    lang: lang.array,
  });
  // The class of an offer is not what the package exports.
  const Made = constructor as new (offer: object) => Offer;
  return new Made({ kex: lists.kex.array, serverHostKey: lists.serverHostKey.array, cs: direction(lists.cs), sc: direction(lists.sc) });
}
