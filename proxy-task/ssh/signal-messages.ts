/**
 * Signals of a channel by any name (RFC 4254 §6.9, §6.10). The package throws for names that the RFC does not list, though it lets
 * others have names of their own: OpenSSH says `SIG@openssh.com` of a program that a bus error ended.
 */
import { sshString } from '../../core/ssh/wire.ts';
import type { Protocol } from './channel-internals.ts';

const SSH_MSG_CHANNEL_REQUEST = 98;
const NAME = /^[\x21-\x7e]{1,128}$/u;

/** As above: the fields exist in the version that is installed. */
type Queueing = Protocol & { _queue?: Buffer[] | undefined };

export function isSignalName(name: string): boolean {
  return NAME.test(name);
}

/** `signal` without SIG. */
export function writeSignal(protocol: Protocol, channel: number, signal: string): void {
  send(protocol, channel, 'signal', sshString(signal));
}

/** `signal` without SIG. */
export function writeExitSignal(protocol: Protocol, channel: number, signal: string, coreDumped: boolean, message: string): void {
  send(protocol, channel, 'exit-signal', sshString(signal), Buffer.of(coreDumped ? 1 : 0), sshString(message), sshString('en'));
}

/** A request that wants no answer. While keys are exchanged it waits with the package's own. */
function send(protocol: Queueing, channel: number, type: string, ...fields: readonly Buffer[]): void {
  const head = Buffer.alloc(5);
  head.writeUInt8(SSH_MSG_CHANNEL_REQUEST);
  head.writeUInt32BE(channel, 1);
  const payload = Buffer.concat([head, sshString(type), Buffer.of(0), ...fields]);
  const { write } = protocol._packetRW;
  const packet = write.alloc(payload.length);
  payload.copy(packet, write.allocStart);
  const whole = write.finalize(packet);
  if (protocol._kexinit === undefined) protocol._cipher.encrypt(whole);
  else (protocol._queue ??= []).push(whole);
}
