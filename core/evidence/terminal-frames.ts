/** One channel of a recording as a terminal showed it: what was written when, how large it was, how it ended. */
import type { FoundEvent } from './batch.ts';
import { type Scene, textField } from './play.ts';
import { SafeTerminal } from './safe-terminal.ts';

export type Frame = { readonly atUs: number } & (
  | { readonly kind: 'start'; readonly columns: number; readonly rows: number; readonly term: string; readonly at: string }
  /** Safe to write to a terminal. */
  | { readonly kind: 'output'; readonly text: string }
  /** As it was typed: for a file, never for a terminal. */
  | { readonly kind: 'input'; readonly text: string }
  | { readonly kind: 'resize'; readonly columns: number; readonly rows: number }
  | { readonly kind: 'exit'; readonly status: number | undefined; readonly signal: string }
);

export type FoundChannel = { readonly channel: number; readonly kind: string; readonly isTerminal: boolean; readonly outputBytes: number };

/** Where a channel had no terminal: what every terminal has at least. */
const COLUMNS = 80;
const ROWS = 24;

/** The channels of a recording, in the order in which they were opened. */
export async function findChannels(scenes: AsyncIterable<Scene>): Promise<readonly FoundChannel[]> {
  const channels = new Map<number, FoundChannel>();
  for await (const scene of scenes) {
    if (scene.kind === 'event' && scene.event.type === 'channel.opened') {
      const { channel, columns } = scene.event;
      if (typeof channel !== 'number') continue;
      const isTerminal = typeof columns === 'number';
      channels.set(channel, { channel, kind: textField(scene.event, 'kind'), isTerminal, outputBytes: 0 });
    } else if (scene.kind === 'data' && scene.stream !== 'input') {
      const found = channels.get(scene.channel);
      if (found !== undefined) channels.set(scene.channel, { ...found, outputBytes: found.outputBytes + scene.bytes.length });
    }
  }
  return [...channels.values()];
}

/** The frames of one channel. Times count from its opening, in microseconds. */
export async function* terminalFrames(scenes: AsyncIterable<Scene>, channel: number): AsyncGenerator<Frame> {
  let startUs = 0;
  let isTerminal = false;
  const shown = { stdout: new SafeTerminal('screen'), stderr: new SafeTerminal('screen') };
  const typed = new TextDecoder('utf-8');
  for await (const scene of scenes) {
    if (scene.kind === 'data' && scene.channel === channel) {
      const atUs = scene.monoUs - startUs;
      if (scene.stream === 'input') {
        const text = typed.decode(scene.bytes, { stream: true });
        if (text !== '') yield { kind: 'input', atUs, text };
        continue;
      }
      const text = shown[scene.stream].push(scene.bytes);
      // A terminal's own driver makes line feeds into new lines; without one nobody did.
      const lines = isTerminal ? text : text.replaceAll(/\r?\n/g, '\r\n');
      const missing = scene.missing === 0 ? '' : `\r\n[${scene.missing} bytes are on record by count and hash only]\r\n`;
      if (lines + missing !== '') yield { kind: 'output', atUs, text: lines + missing };
    } else if (scene.kind === 'event' && scene.event['channel'] === channel) {
      const { event } = scene;
      if (event.type === 'channel.opened') {
        startUs = numberField(event, 'monoUs', 0);
        isTerminal = typeof event['columns'] === 'number';
      }
      const frame = frameOf(event, numberField(event, 'monoUs', 0) - startUs);
      if (frame !== undefined) yield frame;
    }
  }
}

function frameOf(event: FoundEvent, atUs: number): Frame | undefined {
  const size = { columns: numberField(event, 'columns', COLUMNS) || COLUMNS, rows: numberField(event, 'rows', ROWS) || ROWS };
  switch (event.type) {
    case 'channel.opened':
      return { kind: 'start', atUs, ...size, term: textField(event, 'term'), at: textField(event, 'at') };
    case 'channel.resized':
      return { kind: 'resize', atUs, ...size };
    case 'channel.closed': {
      const { exitStatus } = event;
      return {
        kind: 'exit',
        atUs,
        status: typeof exitStatus === 'number' ? exitStatus : undefined,
        signal: textField(event, 'exitSignal'),
      };
    }
    default:
      return undefined;
  }
}

function numberField(event: FoundEvent, key: string, otherwise: number): number {
  const value = event[key];
  return typeof value === 'number' ? value : otherwise;
}
