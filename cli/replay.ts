// `sallyport replay`: one session as the agent and the gateway saw it, from the evidence.
import { visibleText } from '../core/approval/visible.ts';
import { asciicast } from '../core/evidence/asciicast.ts';
import { play, type Scene } from '../core/evidence/play.ts';
import { readRecording } from '../core/evidence/recordings.ts';
import { TERMINAL_RESET } from '../core/evidence/safe-terminal.ts';
import { findChannels, type FoundChannel, terminalFrames } from '../core/evidence/terminal-frames.ts';
import { dataDirectory } from '../standalone/data-directory.ts';
import { evidenceSource } from './evidence-source.ts';
import { jsonLine } from './json-line.ts';
import { findRecording } from './recorded-sessions.ts';
import { Transcript } from './replay-transcript.ts';
import { EXIT, readArguments, UsageError, type Verb, type VerbIo } from './verb.ts';

const USAGE = `Usage: sallyport replay SESSION [--speed N] [--skip-idle S] [--terminal | --asciicast 2|3] [--channel N] [--json]

Plays a recorded session: each statement, what was decided and by whom, and the masked rows or the output that were released.
SESSION may be shortened as long as it means one session; \`latest\` is the newest one with statements.

  --speed N         keep the time between events, N times as fast; without it there is no waiting
  --skip-idle S     no wait is longer than S seconds; without --speed, as fast as it was
  --terminal        play one channel of a session on a host as its terminal showed it: text, colours and the cursor only
  --no-wait         with --terminal: all at once
  --asciicast N     write one channel as an asciicast of version 2 or 3, for asciinema's players
  --channel N       the channel to play or to write; else the first one with a terminal, or with output
  --evidence PATH   evidence to read instead of that of the data directory; also s3://BUCKET/PREFIX
  --data DIR        data directory (SALLYPORT_DATA, else .sallyport)
  --json            one JSON object a line: {"kind":"event",…}, {"kind":"rows",…}, {"kind":"data",…} with bytes in base64
`;

type Scenes = () => AsyncIterable<Scene>;

async function run(args: readonly string[], io: VerbIo): Promise<number> {
  const { values, positionals } = readArguments({
    args: [...args],
    allowPositionals: true,
    options: {
      speed: { type: 'string' },
      'skip-idle': { type: 'string' },
      terminal: { type: 'boolean', default: false },
      'no-wait': { type: 'boolean', default: false },
      asciicast: { type: 'string' },
      channel: { type: 'string' },
      evidence: { type: 'string' },
      data: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const [id, ...more] = positionals;
  if (id === undefined || more.length > 0) throw new UsageError('replay takes one session: sallyport sessions lists them');
  const speed = above0('--speed', values.speed);
  const skipIdle = above0('--skip-idle', values['skip-idle']);
  const version = versionOf(values.asciicast);
  const channel = values.channel === undefined ? undefined : Number(values.channel);
  if (channel !== undefined && !Number.isSafeInteger(channel)) throw new UsageError('--channel is the number of a channel');
  if (Number(values.terminal) + Number(values.json) + Number(version !== undefined) > 1) {
    throw new UsageError('--terminal, --asciicast and --json are three ways to show a session: choose one');
  }
  if (channel !== undefined && !values.terminal && version === undefined)
    throw new UsageError('--channel goes with --terminal or --asciicast');
  if (values['no-wait'] && speed !== undefined) throw new UsageError('--no-wait and --speed exclude each other');

  const { source } = await evidenceSource(values.evidence ?? dataDirectory(values.data, io.env));
  const recording = await findRecording(source, id);
  const scenes: Scenes = () => play(readRecording(source, recording));
  const waits = values['no-wait'] || (speed === undefined && skipIdle === undefined && !values.terminal);
  const pace = waits ? noWait : waiting(speed ?? 1, skipIdle);
  if (version !== undefined) await writeCast(scenes, await chosen(scenes, channel, io), version, recording.session, io);
  else if (values.terminal) await playTerminal(scenes, await chosen(scenes, channel, io), pace, io);
  else await playScenes(scenes(), pace, values.json, io);
  if (recording.end === undefined) io.stderr.write('The session is still open.\n');
  else if (recording.end.abnormal) io.stderr.write(`The session ended abnormally: ${visibleText(recording.end.reason, false)}.\n`);
  return EXIT.fine;
}

async function playScenes(scenes: AsyncIterable<Scene>, pace: Pace, json: boolean, io: VerbIo): Promise<void> {
  const transcript = new Transcript();
  for await (const scene of scenes) {
    const monoUs = scene.kind === 'event' ? scene.event['monoUs'] : scene.kind === 'data' ? scene.monoUs : undefined;
    if (typeof monoUs === 'number') await pace(monoUs);
    io.stdout.write(json ? jsonLine(asJson(scene)) : transcript.text(scene));
  }
  if (!json) io.stdout.write(transcript.endLine());
}

function asJson(scene: Scene): unknown {
  return scene.kind === 'data' ? { ...scene, bytes: scene.bytes.toString('base64') } : scene;
}

/** Whatever was played, the terminal is put back as it was. */
async function playTerminal(scenes: Scenes, channel: number, pace: Pace, io: VerbIo): Promise<void> {
  let end = '';
  try {
    for await (const frame of terminalFrames(scenes(), channel)) {
      await pace(frame.atUs);
      if (frame.kind === 'start') {
        const { columns = 0 } = io.stdout;
        if (columns > 0 && columns < frame.columns)
          io.stderr.write(`This terminal is narrower than the recorded one (${frame.columns} columns).\n`);
      } else if (frame.kind === 'output') io.stdout.write(frame.text);
      else if (frame.kind === 'exit') end = frame.status === undefined ? visibleText(frame.signal, false) : `exit status ${frame.status}`;
    }
  } finally {
    io.stdout.write(`${TERMINAL_RESET}\r\n`);
  }
  if (end !== '') io.stderr.write(`Channel ${channel} ended: ${end}.\n`);
}

async function writeCast(scenes: Scenes, channel: number, version: 2 | 3, session: string, io: VerbIo): Promise<void> {
  const lines = asciicast(terminalFrames(scenes(), channel), version, `Sallyport session ${session}, channel ${channel}`);
  for await (const line of lines) io.stdout.write(jsonLine(line));
}

/** The channel that is meant. Throws UsageError where there is none. */
async function chosen(scenes: Scenes, channel: number | undefined, io: VerbIo): Promise<number> {
  const channels = await findChannels(scenes());
  const best = (of: readonly FoundChannel[]): FoundChannel | undefined =>
    of.find(({ isTerminal }) => isTerminal) ?? of.find(({ outputBytes }) => outputBytes > 0) ?? of[0];
  const found = channel === undefined ? best(channels) : channels.find((each) => each.channel === channel);
  if (found === undefined) {
    const there = channels.map((each) => `${each.channel} (${each.kind})`).join(', ');
    throw new UsageError(
      channels.length === 0 ? 'this session has no channels: it was not on a host' : `no channel ${channel}; there are ${there}`,
    );
  }
  if (channel === undefined && channels.length > 1)
    io.stderr.write(`Channel ${found.channel} of ${channels.length}; --channel chooses another.\n`);
  return found.channel;
}

/** Returns when something that happened at this time is to be shown. */
type Pace = (atUs: number) => Promise<void>;

const noWait: Pace = () => Promise.resolve();

function waiting(speed: number, skipIdleSeconds: number | undefined): Pace {
  let beforeUs: number | undefined;
  return async (atUs) => {
    const ms = (atUs - (beforeUs ?? atUs)) / 1000 / speed;
    beforeUs = atUs;
    await passed(Math.min(ms, skipIdleSeconds === undefined ? ms : skipIdleSeconds * 1000));
  };
}

function passed(ms: number): Promise<void> {
  return ms > 0 ? new Promise((resolve) => setTimeout(resolve, ms)) : Promise.resolve();
}

function above0(flag: string, text: string | undefined): number | undefined {
  const number = text === undefined ? undefined : Number(text);
  if (number !== undefined && !(number > 0 && Number.isFinite(number))) throw new UsageError(`${flag} is a number above 0`);
  return number;
}

function versionOf(text: string | undefined): 2 | 3 | undefined {
  if (text === undefined || text === '2' || text === '3') return text === undefined ? undefined : text === '2' ? 2 : 3;
  throw new UsageError('--asciicast takes 2 or 3, the versions of the format');
}

export const verb: Verb = { usage: USAGE, run };
