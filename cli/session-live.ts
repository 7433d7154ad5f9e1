/** `sallyport sessions --api`: the live sessions of a gateway elsewhere. Called by `sessions.ts`. */
import { jsonLine } from './json-line.ts';
import { gatewayClient, GatewayRefused, type GatewayChoice } from './gateway-client.ts';
import { shortTime, textTable } from './text-table.ts';
import { EXIT, type VerbIo } from './verb.ts';

const HEADS = ['SESSION', 'PRINCIPAL', 'FOR', 'TARGET', 'FROM', 'SINCE'] as const;

/** One line a session. Throws GatewayRefused. */
export async function listLive(options: GatewayChoice & { readonly json: boolean }, io: VerbIo): Promise<number> {
  const { sessions, more } = await gatewayClient(options, io.env).get('/v1/sessions');
  if (!Array.isArray(sessions)) throw new GatewayRefused('the gateway’s list is not understood: is it of another version?');
  if (options.json) for (const session of sessions) io.stdout.write(jsonLine(session));
  else if (sessions.length === 0) io.stdout.write('No session is live.\n');
  else io.stdout.write(textTable(HEADS, sessions.map(row)));
  if (more === true) io.stderr.write('There are more than these.\n');
  return EXIT.fine;
}

function row(session: unknown): readonly string[] {
  const field = (name: string): string => {
    const value: unknown =
      typeof session === 'object' && session !== null ? Object.getOwnPropertyDescriptor(session, name)?.value : undefined;
    return typeof value === 'string' ? value : '';
  };
  return [field('id'), field('principal'), field('human'), field('target'), field('source'), shortTime(field('openedAt'))];
}
