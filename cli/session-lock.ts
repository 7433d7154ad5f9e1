/** `sallyport sessions lock`, `unlock` and `locks`: who may have no sessions. Called by `sessions.ts`. */
import { jsonLine } from './json-line.ts';
import { visibleText } from '../core/approval/visible.ts';
import { GatewayRefused, gatewayClient } from './gateway-client.ts';
import { EXIT, readArguments, UsageError, type VerbIo } from './verb.ts';

/** Runs with the arguments after the action. Live sessions of the subject end, and their clients are told the reason. */
export async function lockSessions(action: 'lock' | 'unlock' | 'locks', args: readonly string[], io: VerbIo): Promise<number> {
  const { values, positionals } = readArguments({
    args: [...args],
    allowPositionals: true,
    options: {
      reason: { type: 'string' },
      data: { type: 'string' },
      api: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const [subject, ...more] = positionals;
  const wanted = action === 'locks' ? 0 : 1;
  if (positionals.length !== wanted || more.length > 0 || subject === '')
    throw new UsageError(action === 'locks' ? 'locks takes nothing' : `${action} takes one principal (corp/agent-7) or person`);
  if (action !== 'lock' && values.reason !== undefined) throw new UsageError(`${action} takes no --reason`);
  const reason = values.reason ?? '';
  if (action === 'lock' && reason === '') throw new UsageError('--reason is missing: the agent and the record must say why');
  const client = gatewayClient(values, io.env);
  if (subject === undefined) return list(await client.get('/v1/locks'), values.json, io);
  if (action === 'unlock') {
    await client.remove(`/v1/locks/${encodeURIComponent(subject)}`);
    io.stdout.write(values.json ? jsonLine({ unlocked: subject }) : `${visibleText(subject, false)} may have sessions again\n`);
    return EXIT.fine;
  }
  const { locked, ended } = await client.post('/v1/locks', { subject, reason });
  if (typeof locked !== 'string' || typeof ended !== 'number')
    throw new GatewayRefused('the gateway’s answer is not understood: is it of another version?');
  io.stdout.write(
    values.json
      ? jsonLine({ locked, ended })
      : `${visibleText(locked, false)} is locked; ${ended} live ${ended === 1 ? 'session was' : 'sessions were'} ended\n`,
  );
  return EXIT.fine;
}

function list({ locks }: Readonly<Record<string, unknown>>, json: boolean, io: VerbIo): number {
  if (!Array.isArray(locks)) throw new GatewayRefused('the gateway’s list is not understood: is it of another version?');
  if (json) for (const lock of locks) io.stdout.write(jsonLine(lock));
  else if (locks.length === 0) io.stdout.write('Nobody is locked.\n');
  else for (const lock of locks) io.stdout.write(`${line(lock)}\n`);
  return EXIT.fine;
}

function line(lock: unknown): string {
  const field = (name: string): string => {
    const value: unknown = typeof lock === 'object' && lock !== null ? Object.getOwnPropertyDescriptor(lock, name)?.value : undefined;
    return visibleText(typeof value === 'string' ? value : '', false);
  };
  return `${field('subject')}  since ${field('lockedAt')} by ${field('by')}: ${field('reason')}`;
}
