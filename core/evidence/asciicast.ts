/** One channel as an asciicast, the format of asciinema's recordings (docs.asciinema.org/manual/asciicast, v2 and v3). */
import type { Frame } from './terminal-frames.ts';

export type AsciicastVersion = 2 | 3;

/**
 * The header, then one event for each frame: values for lines of JSON. What terminals obey beyond colours and movements is not in it,
 * since players write it to a terminal as it is; the recording has every byte.
 */
export async function* asciicast(frames: AsyncIterable<Frame>, version: AsciicastVersion, title: string): AsyncGenerator {
  let beforeUs = 0;
  for await (const frame of frames) {
    if (frame.kind === 'start') {
      yield header(frame, version, title);
      continue;
    }
    const event = eventOf(frame, version);
    if (event === undefined) continue;
    const atUs = Math.max(0, Math.round(frame.atUs));
    // Version 3 counts from the event before: whole microseconds, so that nothing adds up.
    yield [(version === 3 ? Math.max(0, atUs - beforeUs) : atUs) / 1_000_000, ...event];
    beforeUs = Math.max(beforeUs, atUs);
  }
}

function header(frame: Frame & { kind: 'start' }, version: AsciicastVersion, title: string): unknown {
  const { columns, rows, term, at } = frame;
  const atMs = Date.parse(at);
  const timestamp = Number.isNaN(atMs) ? {} : { timestamp: Math.floor(atMs / 1000) };
  if (version === 2) return { version, width: columns, height: rows, ...timestamp, title, ...(term === '' ? {} : { env: { TERM: term } }) };
  return { version, term: { cols: columns, rows, ...(term === '' ? {} : { type: term }) }, ...timestamp, title };
}

function eventOf(frame: Exclude<Frame, { kind: 'start' }>, version: AsciicastVersion): readonly [code: string, data: string] | undefined {
  switch (frame.kind) {
    case 'output':
      return ['o', frame.text];
    case 'input':
      return ['i', frame.text];
    case 'resize':
      return ['r', `${frame.columns}x${frame.rows}`];
    case 'exit':
      return version === 2 || frame.status === undefined ? undefined : ['x', String(frame.status)];
  }
}
