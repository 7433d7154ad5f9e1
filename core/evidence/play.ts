/** One recording as the sequence that a person watches: each event, and the rows or the bytes that were released with it. */
import { isRecord, type FoundEvent } from './batch.ts';
import { ChannelContent } from './channel-content.ts';
import { type RecordedBatch } from './recordings.ts';
import { type Released, type ReleasedColumn, releasedMessages } from './released-rows.ts';

export type Scene =
  | { readonly kind: 'event'; readonly event: FoundEvent }
  | {
      readonly kind: 'rows';
      readonly statement: number;
      readonly columns: readonly ReleasedColumn[];
      readonly rows: readonly (readonly (string | null)[])[];
    }
  | { readonly kind: 'copy'; readonly statement: number; readonly text: string }
  /** What passed through a channel of a session on a host, and how many bytes of it are on record by count and hash only. */
  | {
      readonly kind: 'data';
      readonly channel: number;
      readonly stream: 'input' | 'stdout' | 'stderr';
      readonly bytes: Buffer;
      readonly missing: number;
      readonly monoUs: number;
    }
  /** The recording keeps only count and hash of these. */
  | { readonly kind: 'unkept'; readonly bytes: number }
  /** The recording keeps only count and hash of these: the content was lost with its writer. */
  | { readonly kind: 'lost'; readonly bytes: number };

/** Rows shown at a time: a result of millions is played in parts. */
const ROWS_AT_ONCE = 500;

/** Plays batches in order. Rows belong to the statement whose `rows.released` comes next. */
export async function* play(batches: AsyncIterable<RecordedBatch>): AsyncGenerator<Scene> {
  const shown = new Map<number, number>();
  const columnsOf = new Map<number, readonly ReleasedColumn[]>();
  let waiting: Released[] = [];
  let current = 0;
  /** Set in sessions on hosts, whose content is what passed through channels. */
  let channels: ChannelContent | undefined;

  function* release(statement: number, rows: number): Generator<Scene> {
    let left = rows;
    let taken = 0;
    let held: (readonly (string | null)[])[] = [];
    const flush = function* (): Generator<Scene> {
      const [first] = held;
      if (first === undefined) return;
      const columns = columnsOf.get(statement) ?? first.map((_, at) => ({ name: `column${at + 1}`, typeOid: 0 }));
      yield { kind: 'rows', statement, columns, rows: held };
      held = [];
    };
    for (const message of waiting) {
      if (message.kind === 'columns') {
        if (left <= 0) break;
        columnsOf.set(statement, message.columns);
      } else if (left <= 0) break;
      else {
        left -= 1;
        if (message.kind === 'row') held.push(message.cells);
        else yield { kind: 'copy', statement, text: message.text };
        if (held.length === ROWS_AT_ONCE) yield* flush();
      }
      taken += 1;
    }
    waiting = waiting.slice(taken);
    shown.set(statement, (shown.get(statement) ?? 0) + rows - left);
    yield* flush();
  }

  for await (const { events, content, unkeptBytes, lostBytes } of batches) {
    if (unkeptBytes > 0) yield { kind: 'unkept', bytes: unkeptBytes };
    if (lostBytes > 0) yield { kind: 'lost', bytes: lostBytes };
    if (events[0]?.type === 'session.opened' && events[0]['protocol'] === 'ssh') channels = new ChannelContent();
    if (channels === undefined) for (const message of releasedMessages(content)) waiting.push(message);
    else channels.add({ content, unkeptBytes, lostBytes });
    for (const event of events) {
      const data = channels === undefined ? undefined : dataOf(event, channels);
      if (data !== undefined) yield data;
      const { statement, rows } = event;
      if (typeof statement === 'number' && event.type === 'statement.sent') current = statement;
      if (event.type === 'rows.released' && typeof statement === 'number' && typeof rows === 'number') {
        yield* release(statement, rows - (shown.get(statement) ?? 0));
      }
      yield { kind: 'event', event };
    }
    // A long result fills batches before its event comes.
    if (waiting.length > ROWS_AT_ONCE) yield* release(current, waiting.length);
  }
  if (waiting.length > 0) yield* release(current, waiting.length);
}

function dataOf(event: FoundEvent, channels: ChannelContent): Scene | undefined {
  const { type, channel, stream, bytes, monoUs } = event;
  if (type !== 'channel.data' || typeof channel !== 'number' || typeof bytes !== 'number') return undefined;
  if (stream !== 'input' && stream !== 'stdout' && stream !== 'stderr') return undefined;
  return { kind: 'data', channel, stream, ...channels.take(bytes), monoUs: typeof monoUs === 'number' ? monoUs : 0 };
}

/** A field of an event that is text; empty where it is not. */
export function textField(event: FoundEvent, key: string): string {
  const value = event[key];
  return typeof value === 'string' ? value : '';
}

/** `corp/agent-7 for ann@example.com`: the principal of `session.opened`. */
export function principalOf(event: FoundEvent): string {
  const principal = event['principal'];
  if (!isRecord(principal)) return '';
  const name = `${String(principal['issuer'])}/${String(principal['agent'])}`;
  return typeof principal['human'] === 'string' ? `${name} for ${principal['human']}` : name;
}
