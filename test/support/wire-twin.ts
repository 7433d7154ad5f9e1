// The same messages to PostgreSQL and through the gateway: where nothing is refused, a client must not tell them apart.
import { startGateway, type GatewayConfig, type TestGateway } from './gateway.ts';
import { startPostgres, type TestPostgres } from './postgres.ts';
import { WireClient, describeMessages } from './wire-client.ts';

/** What is sent at once, and the types that must have come before the next step. */
export type Step = { readonly send: readonly Buffer[]; readonly until?: string };

export type Twin = {
  readonly postgres: TestPostgres;
  readonly gateway: TestGateway;
  /** Runs the script against PostgreSQL itself, then through the gateway; what each was told, step by step. */
  both(script: readonly Step[]): Promise<{ readonly direct: readonly string[]; readonly through: readonly string[] }>;
  direct(): Promise<WireClient>;
  through(options?: {
    readonly principal?: string;
    readonly groups?: readonly string[];
    readonly parameters?: Record<string, string>;
    readonly minor?: number;
  }): Promise<WireClient>;
  stop(): Promise<void>;
};

/** Nothing is refused, names that do not exist included. */
const ALL = `
@id("all") permit (principal in Group::"demo/all", action in Action::"all", resource);
@id("unresolved") permit (principal in Group::"demo/all", action == Action::"unknown", resource);
@id("connect") permit (principal, action == Action::"connect", resource);
`;

/** One PostgreSQL with the script in two equal databases: what one side changes, the other does not see. */
export async function startTwin(
  script: string,
  config: GatewayConfig = {},
  settings: Readonly<Record<string, string>> = {},
): Promise<Twin> {
  const postgres = await startPostgres({ settings });
  await postgres.createDatabase('through');
  await postgres.script(script, 'through');
  // A copy keeps every OID.
  await postgres.query('CREATE DATABASE direct TEMPLATE through');
  const gateway = await startGateway(postgres, { policies: ALL, ...config, database: 'through' });
  const clients: WireClient[] = [];
  const kept = (client: WireClient): WireClient => {
    clients.push(client);
    return client;
  };
  const direct = async (): Promise<WireClient> =>
    kept(await WireClient.login({ port: postgres.port, database: 'direct', user: postgres.superuser, password: postgres.password }));
  const through: Twin['through'] = async ({ principal, groups, parameters = {}, minor = 0 } = {}) =>
    kept(
      await WireClient.login({
        port: gateway.port,
        database: 'db',
        user: 'agent',
        password: await gateway.token(principal, groups),
        parameters,
        minor,
      }),
    );
  return {
    postgres,
    gateway,
    direct,
    through,
    both: async (steps) => {
      const told: (readonly string[])[] = [];
      for (const open of [direct, through]) {
        const client = await open();
        told.push(await play(client, steps));
        client.destroy();
      }
      const [first = [], second = []] = told;
      return { direct: first, through: second };
    },
    stop: async () => {
      for (const client of clients) client.destroy();
      await gateway.stop();
      await postgres.stop();
    },
  };
}

async function play(client: WireClient, steps: readonly Step[]): Promise<readonly string[]> {
  const told: string[] = [];
  for (const [index, step] of steps.entries()) {
    client.send(...step.send);
    const messages = await client.until(step.until ?? 'Z');
    // A name that does not exist is told in PostgreSQL's words, with what the gateway always says of its own errors.
    told.push(...describeMessages(messages).map((line) => `${index + 1}: ${line.replace(/^(E .*) D=\{"executed":"no"\}$/, '$1')}`));
  }
  return told;
}
