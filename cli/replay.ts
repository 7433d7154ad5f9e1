// `sallyport replay`: one session as the agent and the gateway saw it, from the evidence.
import { jsonLine } from './json-line.ts';
import { visibleText } from '../core/approval/visible.ts';
import { isRecord, type FoundEvent } from '../core/evidence/batch.ts';
import { play, principalOf, type Scene, textField } from '../core/evidence/play.ts';
import { readRecording } from '../core/evidence/recordings.ts';
import { dataDirectory } from '../standalone/data-directory.ts';
import { evidenceSource } from './evidence-source.ts';
import { findRecording } from './recorded-sessions.ts';
import { resultTable } from './sql-table.ts';
import { EXIT, readArguments, UsageError, type Verb, type VerbIo } from './verb.ts';

const USAGE = `Usage: sallyport replay SESSION [--speed N] [--json]

Plays a recorded session: each statement, what was decided and by whom, and the masked rows that were released.
SESSION may be shortened as long as it means one session; \`latest\` is the newest one with statements.

  --speed N         keep the time between events, N times as fast; without it there is no waiting
  --evidence PATH   evidence to read instead of that of the data directory; also s3://BUCKET/PREFIX
  --data DIR        data directory (SALLYPORT_DATA, else .sallyport)
  --json            one JSON object a line: {"kind":"event",…}, {"kind":"rows",…}
`;

async function run(args: readonly string[], io: VerbIo): Promise<number> {
  const { values, positionals } = readArguments({
    args: [...args],
    allowPositionals: true,
    options: {
      speed: { type: 'string' },
      evidence: { type: 'string' },
      data: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const [id, ...more] = positionals;
  if (id === undefined || more.length > 0) throw new UsageError('replay takes one session: sallyport sessions lists them');
  const speed = values.speed === undefined ? undefined : Number(values.speed);
  if (speed !== undefined && !(speed > 0 && Number.isFinite(speed))) throw new UsageError('--speed is a number above 0');
  const { source } = await evidenceSource(values.evidence ?? dataDirectory(values.data, io.env));
  const recording = await findRecording(source, id);
  let beforeUs: number | undefined;
  for await (const scene of play(readRecording(source, recording))) {
    const monoUs = scene.kind === 'event' ? scene.event['monoUs'] : undefined;
    if (speed !== undefined && typeof monoUs === 'number') {
      await passed((monoUs - (beforeUs ?? monoUs)) / 1000 / speed);
      beforeUs = monoUs;
    }
    io.stdout.write(values.json ? jsonLine(scene) : sceneText(scene));
  }
  if (recording.end === undefined) io.stderr.write('The session is still open.\n');
  else if (recording.end.abnormal) io.stderr.write(`The session ended abnormally: ${visibleText(recording.end.reason, false)}.\n`);
  return EXIT.fine;
}

function passed(ms: number): Promise<void> {
  return ms > 0 ? new Promise((resolve) => setTimeout(resolve, ms)) : Promise.resolve();
}

/** What a person reads of one scene; every text in it was written by somebody else. */
function sceneText(scene: Scene): string {
  switch (scene.kind) {
    case 'event':
      return eventText(scene.event);
    case 'rows':
      return resultTable(scene.columns, scene.rows);
    case 'copy':
      return visibleText(scene.text);
    case 'unkept':
      return `(${scene.bytes} bytes were released, of which this target records count and hash only)\n`;
    case 'lost':
      return `(${scene.bytes} bytes were released, whose content was lost when their writer ended; count and hash are recorded)\n`;
  }
}

function eventText(event: FoundEvent): string {
  const say = (key: string): string => visibleText(textField(event, key), false);
  const at = textField(event, 'at').slice(11, 23);
  const line = (text: string): string => `${at}  ${text}\n`;
  switch (event.type) {
    case 'session.opened':
      return line(
        `session ${say('session')}: ${visibleText(principalOf(event), false)} on ${say('target')}, from ${say('source')}, ${say('applicationName')}`,
      );
    case 'statement.judged':
      return `\n${line(`#${String(event['statement'])}  ${decisionOf(event)}`)}${indented(visibleText(textField(event, 'text')))}${parametersOf(event)}`;
    case 'statement.completed':
      return line(`${say('tag') || say('outcome')}  ${Number(event['durationUs']) / 1000} ms`);
    case 'error':
      return line(`${say('severity')} ${say('code')} from the ${say('from')}: ${say('message')}`);
    case 'approval.requested':
      return line(`approval ${say('approval')} requested, open until ${say('expiresAt')}`);
    case 'approval.decided':
      return line(
        `approval ${say('approval')} ${say('outcome')} by ${approversOf(event) || 'nobody'}${say('reason') === '' ? '' : `: ${say('reason')}`}`,
      );
    case 'approval.claimed':
      return line(`approval ${say('approval')} used`);
    case 'copy.received':
      return line(`COPY data received: ${String(event['rows'])} messages, ${String(event['bytes'])} bytes`);
    case 'setting':
      return line(`${say('name')} = ${say('value')}`);
    case 'bundle.changed':
      return line(`configuration ${say('from')} → ${say('to')}`);
    case 'cancel.requested':
      return line('cancel requested');
    case 'credential.issued':
      return line(`credential ${say('credential')} for ${say('role')}`);
    case 'session.closed':
      return `\n${line(`closed: ${say('reason')}; ${String(event['statements'])} statements, ${String(event['rows'])} rows`)}`;
    case 'rows.released': {
      const masked = listOf(event['masked']);
      const detected = Number(event['detected']);
      const notes = [masked === '' ? '' : `masked ${masked}`, detected > 0 ? `${detected} values hidden by detectors` : ''].filter(
        (note) => note !== '',
      );
      return notes.length === 0 ? '' : line(notes.join(', '));
    }
    default:
      return '';
  }
}

function decisionOf(event: FoundEvent): string {
  const code = textField(event, 'code');
  const reason = visibleText(textField(event, 'reason'), false);
  return `${textField(event, 'decision')}${code === '' ? '' : ` ${code}`}: ${reason}`;
}

function parametersOf(event: FoundEvent): string {
  const { parameters } = event;
  if (!Array.isArray(parameters)) return '';
  return parameters.map((value, at) => `      $${at + 1} = ${value === null ? 'NULL' : visibleText(String(value), false)}\n`).join('');
}

function approversOf(event: FoundEvent): string {
  const { approvers } = event;
  return Array.isArray(approvers)
    ? approvers.map((each) => (isRecord(each) ? visibleText(String(each['person']), false) : '')).join(', ')
    : '';
}

function listOf(value: unknown): string {
  return Array.isArray(value) ? value.map((each) => visibleText(String(each), false)).join(', ') : '';
}

function indented(text: string): string {
  return text
    .split('\n')
    .map((each) => `      ${each}\n`)
    .join('');
}

export const verb: Verb = { usage: USAGE, run };
