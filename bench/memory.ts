import type { Client } from 'pg';
import { residentKiB } from './cpu.ts';
import { connect, type Place } from './load.ts';

/** Enough to tell a connection's share from the noise of the heap. */
const CONNECTIONS = 200;

/** Resident memory of the gateway per connection that is logged in and idle. */
export async function measureIdle(pid: number, place: Place): Promise<{ readonly baseKiB: number; readonly perConnectionKiB: number }> {
  const baseKiB = residentKiB(pid);
  const open = async (count: number): Promise<Client[]> => {
    const clients: Client[] = [];
    for (let i = 0; i < count; i += 1) clients.push(await connect(place));
    return clients;
  };
  // What the first logins bring with them, code and heap, is not the price of a connection.
  const first = await open(CONNECTIONS / 2);
  const beforeKiB = residentKiB(pid);
  const clients = await open(CONNECTIONS);
  const perConnectionKiB = (residentKiB(pid) - beforeKiB) / CONNECTIONS;
  await Promise.all([...first, ...clients].map((client) => client.end()));
  return { baseKiB, perConnectionKiB };
}
