/** What is compared: the floor, PgBouncer, and the gateway with more and more of its controls. */
import { fileURLToPath } from 'node:url';
import type { TestPostgres } from '../test/support/postgres.ts';
import { freePort, startChild } from './child.ts';
import { cpuSeconds } from './cpu.ts';
import { type Gateway, MODES, type Mode, startGateway, targetOf } from './gateway.ts';
import type { Place } from './load.ts';
import { startPgBouncer } from './pgbouncer.ts';
import { shuffled, type Spread, spreadOf } from './statistics.ts';

export type Subject = { readonly name: string; readonly pid: number; readonly place: Place };

export type Subjects = {
  readonly all: readonly Subject[];
  readonly gateway: Gateway;
  readonly gatewayPlace: (mode: Mode) => Place;
  readonly pgbouncer: string | undefined;
  stop(): Promise<void>;
};

export const RELAY = 'relay';
export const PGBOUNCER = 'PgBouncer';

/** Starts them all before one PostgreSQL. */
export async function startSubjects(postgres: TestPostgres): Promise<Subjects> {
  const root = fileURLToPath(new URL('..', import.meta.url));
  const { database } = postgres;
  const relayPort = await freePort();
  const relayFile = fileURLToPath(new URL('pipe-relay.ts', import.meta.url));
  const relay = await startChild(process.execPath, ['--import', 'tsx', relayFile, String(relayPort), String(postgres.port)], {
    port: relayPort,
    cwd: root,
  });
  const pgbouncer = await startPgBouncer(postgres);
  const gateway = await startGateway(postgres, { root });
  const gatewayPlace = (mode: Mode): Place => ({ port: gateway.port, database: targetOf(mode), user: 'bench', password: gateway.token });
  const login = { database, user: postgres.superuser, password: postgres.password };
  const modes = Object.keys(MODES).filter((mode): mode is Mode => mode in MODES);
  return {
    all: [
      { name: RELAY, pid: relay.pid, place: { ...login, port: relayPort } },
      ...(pgbouncer === undefined ? [] : [{ name: PGBOUNCER, pid: pgbouncer.pid, place: { ...login, port: pgbouncer.port } }]),
      ...modes.map((mode) => ({ name: mode, pid: gateway.pid, place: gatewayPlace(mode) })),
    ],
    gateway,
    gatewayPlace,
    pgbouncer: pgbouncer?.version,
    stop: async () => {
      await gateway.stop();
      await pgbouncer?.stop();
      await relay.stop();
    },
  };
}

/** Medians over the rounds; ratios are taken within each round. */
export type Measured = {
  readonly name: string;
  /** Units of work per second. */
  readonly rate: Spread;
  /** Microseconds of the subject's CPU per unit of work. */
  readonly cpuUs: Spread;
  readonly rateToPgBouncer: Spread | undefined;
  readonly cpuToRelay: Spread;
};

/** `work` puts a load through a subject: units done, and their rate. One round more, the first, warms up. */
export async function measure(
  subjects: readonly Subject[],
  rounds: number,
  work: (place: Place) => Promise<{ readonly units: number; readonly perSecond: number }>,
): Promise<Measured[]> {
  const rates = new Map(subjects.map(({ name }): [string, number[]] => [name, []]));
  const costs = new Map(subjects.map(({ name }): [string, number[]] => [name, []]));
  for (let round = 0; round <= rounds; round += 1) {
    for (const { name, pid, place } of shuffled(subjects)) {
      const before = cpuSeconds(pid);
      const { units, perSecond } = await work(place);
      if (round === 0) continue;
      rates.get(name)?.push(perSecond);
      costs.get(name)?.push(((cpuSeconds(pid) - before) / units) * 1e6);
    }
  }
  const against = (values: readonly number[], base: readonly number[]): Spread =>
    spreadOf(values.map((value, i) => value / (base[i] ?? Number.NaN)));
  return subjects.map(({ name }) => {
    const rate = rates.get(name) ?? [];
    const cost = costs.get(name) ?? [];
    const bouncer = rates.get(PGBOUNCER);
    return {
      name,
      rate: spreadOf(rate),
      cpuUs: spreadOf(cost),
      rateToPgBouncer: bouncer === undefined ? undefined : against(rate, bouncer),
      cpuToRelay: against(cost, costs.get(RELAY) ?? []),
    };
  });
}
