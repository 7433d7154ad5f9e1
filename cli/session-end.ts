/** `sallyport sessions end`: ends one live session. Called by `sessions.ts`. */
import { jsonLine } from './json-line.ts';
import { gatewayClient } from './gateway-client.ts';
import { EXIT, readArguments, UsageError, type VerbIo } from './verb.ts';

/** One line for the usage text of `sessions`. */
export const SESSION_END_USAGE = 'sallyport sessions end ID --reason TEXT [--data DIR | --api URL]';

/** Runs with the arguments after `end`. The session's client is told the reason. */
export async function endSession(args: readonly string[], io: VerbIo): Promise<number> {
  const { values, positionals } = readArguments({
    args: [...args],
    allowPositionals: true,
    options: { reason: { type: 'string' }, data: { type: 'string' }, api: { type: 'string' }, json: { type: 'boolean', default: false } },
  });
  const [id, ...more] = positionals;
  if (id === undefined || more.length > 0) throw new UsageError('end takes the id of one session, as `sallyport sessions` lists them');
  if (values.reason === undefined || values.reason === '')
    throw new UsageError('--reason is missing: the agent and the record must say why');
  await gatewayClient(values, io.env).post(`/v1/sessions/${encodeURIComponent(id)}/end`, { reason: values.reason });
  io.stdout.write(values.json ? jsonLine({ ended: id }) : `${id} was ended\n`);
  return EXIT.fine;
}
