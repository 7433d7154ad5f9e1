/** Two loads: many small statements by pgbench, and one large result by a reader that does nothing with it. */
import { execFile } from 'node:child_process';
import type { Socket } from 'node:net';
import { promisify } from 'node:util';
import { Client } from 'pg';

/** Where and as whom to connect. */
export type Place = { readonly port: number; readonly database: string; readonly user: string; readonly password: string };

const READY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

/** `pgbench -S` with prepared statements; transactions per second without the time to connect. */
export async function runPgbench(place: Place, clients: number, transactions: number): Promise<number> {
  const { stdout } = await promisify(execFile)(
    'pgbench',
    [
      '--host=127.0.0.1',
      `--port=${place.port}`,
      `--username=${place.user}`,
      '--no-vacuum',
      '--select-only',
      '--protocol=prepared',
      `--client=${clients}`,
      `--transactions=${Math.ceil(transactions / clients)}`,
      place.database,
    ],
    { env: { ...process.env, PGPASSWORD: place.password, PGSSLMODE: 'disable', PGGSSENCMODE: 'disable' } },
  );
  if (!stdout.includes('number of failed transactions: 0')) throw new Error(`pgbench failed:\n${stdout}`);
  return Number(/^tps = ([\d.]+) /mu.exec(stdout)?.[1]);
}

/** Reads one result to its end without decoding it; its seconds and bytes. */
export async function readAll(place: Place, sql: string): Promise<{ readonly seconds: number; readonly bytes: number }> {
  const client = await connect(place);
  // The driver logs in; its parser would be the slowest part of what is measured, so its socket is read here. The
  // connection is no part of the driver's declared types.
  const { stream } = (client as unknown as { readonly connection: { readonly stream: Socket } }).connection;
  stream.removeAllListeners('data');
  const text = Buffer.from(`${sql}\0`);
  const query = Buffer.alloc(5 + text.length, 'Q');
  query.writeInt32BE(4 + text.length, 1);
  text.copy(query, 5);
  const startedAt = performance.now();
  let bytes = 0;
  await new Promise<void>((resolve, reject) => {
    stream.on('close', () => reject(new Error('the connection closed before the result was there')));
    stream.on('data', (chunk: Buffer) => {
      if (bytes === 0 && chunk[0] !== 0x54) reject(new Error(`no rows: ${chunk.toString('latin1')}`));
      bytes += chunk.length;
      if (chunk.subarray(-READY.length).equals(READY)) resolve();
    });
    stream.write(query);
  });
  const seconds = (performance.now() - startedAt) / 1000;
  stream.destroy();
  return { seconds, bytes };
}

/** A connection that is logged in and does nothing. */
export async function connect(place: Place): Promise<Client> {
  const client = new Client({ ...place, host: '127.0.0.1' });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}
