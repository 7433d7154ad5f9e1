import type { Client } from 'pg';
import { residentKiB } from './cpu.ts';
import { connect, type Place } from './load.ts';

/** The heap grows and shrinks by megabytes: several batches show how much of a figure is that. */
const BATCHES = 3;
const BATCH_CONNECTIONS = 80;
/** What the first logins bring with them, code and heap, is not the price of a connection. */
const FIRST_CONNECTIONS = 100;

export type Idle = {
  readonly baseKiB: number;
  /** One figure a batch; the garbage collector can make one negative, which then says nothing. */
  readonly perConnectionKiB: readonly number[];
};

/** Resident memory of the gateway per connection that is logged in and idle. */
export async function measureIdle(pid: number, place: Place): Promise<Idle> {
  const baseKiB = residentKiB(pid);
  const clients: Client[] = [];
  const open = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i += 1) clients.push(await connect(place));
  };
  await open(FIRST_CONNECTIONS);
  const perConnectionKiB: number[] = [];
  for (let batch = 0; batch < BATCHES; batch += 1) {
    const beforeKiB = residentKiB(pid);
    await open(BATCH_CONNECTIONS);
    perConnectionKiB.push((residentKiB(pid) - beforeKiB) / BATCH_CONNECTIONS);
  }
  await Promise.all(clients.map((client) => client.end()));
  return { baseKiB, perConnectionKiB };
}
