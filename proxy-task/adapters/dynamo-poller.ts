/**
 * The task's view of what others decide (design §12): each second one consistent read of every item that is followed. How old the
 * last complete answer is, by this machine's own monotonic clock, says how much may be relied on it: no other clock matters.
 */
import { BatchGetItemCommand, type BatchGetItemCommandOutput, type DynamoDBClient, type KeysAndAttributes } from '@aws-sdk/client-dynamodb';
import { decodeStored } from '../../core/state/stored-item.ts';
import { StateUnavailable, type Clock, type StateItem, type StatePoller, type StateView } from '../ports.ts';

export type FollowedTable = Parameters<StatePoller['follow']>[0];

export type PollerOptions = {
  /** With one attempt and a time-out of about a second: the next poll is the repetition. */
  readonly client: DynamoDBClient;
  readonly tables: Readonly<Record<FollowedTable, string>>;
  readonly clock: Clock;
  /** Told when polls begin to fail, and of each item that cannot be read. */
  readonly report: (error: unknown) => void;
};

/** One BatchGetItem takes so many keys. */
const MAX_KEYS = 100;
const POLL_EVERY_MS = 1_000;
/** Keys that DynamoDB left out of its answer are asked for so often, before the poll counts as failed. */
const MAX_ROUNDS = 4;
const ROUND_AFTER_MS = 50;
/** Five polls in a row: new statements wait (design §12). */
const STALE_AFTER_MS = 5_000;
/** Nobody has been able to end a session for so long: it ends. */
const LOST_AFTER_MS = 30_000;

type Follower = { readonly changed: (item: StateItem | undefined) => void; seen: string | undefined };
type Followed = { readonly table: string; readonly id: string; readonly followers: Set<Follower> };

export class DynamoPoller implements StatePoller {
  readonly #options: PollerOptions;
  readonly #followed = new Map<string, Followed>();
  #answeredUs: number | undefined;
  #failing = false;
  #stopped = false;
  #timer: { cancel(): void } | undefined;
  #waiting: (() => void)[] = [];

  constructor(options: PollerOptions) {
    this.#options = options;
  }

  follow(table: FollowedTable, id: string, changed: (item: StateItem | undefined) => void): { stop(): void } {
    const name = this.#options.tables[table];
    const key = keyOf(name, id);
    const followed = this.#followed.get(key) ?? { table: name, id, followers: new Set<Follower>() };
    this.#followed.set(key, followed);
    const follower: Follower = { changed, seen: undefined };
    followed.followers.add(follower);
    return {
      stop: () => {
        followed.followers.delete(follower);
        if (followed.followers.size === 0 && this.#followed.get(key) === followed) this.#followed.delete(key);
      },
    };
  }

  /** Polls from now on. Resolves with the first complete answer. */
  start(): Promise<void> {
    const first = this.next();
    void this.#run();
    return first;
  }

  /** Resolves when everything that is followed by now has been read. */
  next(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** Milliseconds since the question was asked whose answer is in force; undefined before the first. */
  ageMs(): number | undefined {
    return this.#answeredUs === undefined ? undefined : (this.#options.clock.monoUs() - this.#answeredUs) / 1_000;
  }

  view(): StateView {
    const ageMs = this.ageMs();
    if (ageMs === undefined || (ageMs >= STALE_AFTER_MS && ageMs < LOST_AFTER_MS)) return 'stale';
    return ageMs < STALE_AFTER_MS ? 'current' : 'lost';
  }

  async #run(): Promise<void> {
    if (this.#stopped) return;
    const { clock, report } = this.#options;
    const askedUs = clock.monoUs();
    const waiting = this.#waiting;
    this.#waiting = [];
    try {
      await this.#poll();
      this.#answeredUs = askedUs;
      this.#failing = false;
      for (const resolve of waiting) resolve();
    } catch (error) {
      this.#waiting.push(...waiting);
      // Not fatal by itself: the age of the last answer decides what it means.
      if (!this.#failing) report(error);
      this.#failing = true;
    }
    if (this.#stopped) return;
    const tookMs = (clock.monoUs() - askedUs) / 1_000;
    this.#timer = clock.after(Math.max(0, POLL_EVERY_MS - tookMs), () => void this.#run());
  }

  async #poll(): Promise<void> {
    const asked = [...this.#followed.values()];
    const chunks: Followed[][] = [];
    for (let at = 0; at < asked.length; at += MAX_KEYS) chunks.push(asked.slice(at, at + MAX_KEYS));
    const answers = await Promise.allSettled(chunks.map((chunk) => this.#read(chunk)));
    // What was read counts, even where another part of the poll failed.
    answers.forEach((answer, at) => {
      if (answer.status === 'fulfilled') for (const followed of chunks[at] ?? []) this.#tell(followed, answer.value);
    });
    const failed = answers.find((answer) => answer.status === 'rejected');
    if (failed !== undefined) throw new StateUnavailable('the shared state could not be read', { cause: failed.reason });
  }

  async #read(chunk: readonly Followed[]): Promise<ReadonlyMap<string, Readonly<Record<string, unknown>>>> {
    const found = new Map<string, Readonly<Record<string, unknown>>>();
    let request: Record<string, KeysAndAttributes> = {};
    for (const { table, id } of chunk) {
      const keys = (request[table] ??= { Keys: [], ConsistentRead: true }).Keys ?? [];
      keys.push({ id: { S: id } });
    }
    for (let round = 1; ; round += 1) {
      const answer: BatchGetItemCommandOutput = await this.#options.client.send(new BatchGetItemCommand({ RequestItems: request }));
      for (const [table, items] of Object.entries(answer.Responses ?? {})) {
        for (const item of items) if (item['id']?.S !== undefined) found.set(keyOf(table, item['id'].S), item);
      }
      const left = answer.UnprocessedKeys ?? {};
      if (Object.keys(left).length === 0) return found;
      if (round === MAX_ROUNDS) throw new Error('DynamoDB left keys of a poll unread');
      request = left;
      await new Promise<void>((resolve) => this.#options.clock.after(ROUND_AFTER_MS * round, resolve));
    }
  }

  #tell(followed: Followed, found: ReadonlyMap<string, Readonly<Record<string, unknown>>>): void {
    const item = found.get(keyOf(followed.table, followed.id));
    const seen = item === undefined ? '' : JSON.stringify([item['v'], item['body']]);
    let decoded: StateItem | undefined;
    // Whoever begins to follow in a callback waits for the next poll.
    const present = [...followed.followers];
    for (const follower of present) {
      if (follower.seen === seen) continue;
      follower.seen = seen;
      try {
        decoded ??= item === undefined ? undefined : this.#decoded(followed, item);
        follower.changed(decoded);
      } catch (error) {
        this.#options.report(error);
      }
    }
  }

  /** What is no item of ours is still there: followers get it without a value, and must not take it for absent. */
  #decoded({ table, id }: Followed, item: Readonly<Record<string, unknown>>): StateItem {
    const decoded = decodeStored(item);
    if (decoded !== undefined) return { v: decoded.v, body: decoded.body };
    this.#options.report(new StateUnavailable(`item ${id} of ${table} is not one that the gateway writes`));
    return { v: 0, body: undefined };
  }
}

function keyOf(table: string, id: string): string {
  return `${table}\n${id}`;
}
