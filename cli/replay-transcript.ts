// What a person reads of a recording, scene by scene. Every text in it was written by somebody else.
import { visibleText } from '../core/approval/visible.ts';
import { isRecord, type FoundEvent } from '../core/evidence/batch.ts';
import { principalOf, type Scene, textField } from '../core/evidence/play.ts';
import { SafeTerminal } from '../core/evidence/safe-terminal.ts';
import { resultTable } from './sql-table.ts';

/** Before each line that passed through a channel, behind the channel's number. */
const MARKS = { stdout: '│', stderr: '!', input: '›' } as const;

/** Lines for events, tables for rows, and what passed through channels without the sequences of terminals. */
export class Transcript {
  private readonly channels = new Map<string, SafeTerminal>();
  /** The stream whose last line has not ended yet. */
  private open: string | undefined;

  text(scene: Scene): string {
    if (scene.kind === 'data') return this.data(scene);
    const text = sceneText(scene);
    return text === '' ? '' : `${this.endLine()}${text}`;
  }

  /** Ends a line that has begun. */
  endLine(): string {
    const ends = this.open === undefined ? '' : '\n';
    this.open = undefined;
    return ends;
  }

  private data({ channel, stream, bytes, missing }: Scene & { kind: 'data' }): string {
    const key = `${channel} ${MARKS[stream]} `;
    const terminal = this.channels.get(key) ?? new SafeTerminal('text');
    this.channels.set(key, terminal);
    const shown = visibleText(terminal.push(bytes).replaceAll('\t', '    '));
    let out = '';
    for (const line of shown.split(/(?<=\n)/)) {
      if (line === '') continue;
      if (this.open !== key) out += `${this.endLine()}      ${key}`;
      out += line;
      this.open = line.endsWith('\n') ? undefined : key;
    }
    return missing === 0 ? out : `${out}${this.endLine()}      ${key}(${missing} bytes, of which count and hash are on record)\n`;
  }
}

function sceneText(scene: Exclude<Scene, { kind: 'data' }>): string {
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
    case 'channel.opened':
    case 'channel.data':
    case 'channel.resized':
    case 'channel.signal':
    case 'channel.file':
    case 'channel.operation':
    case 'channel.closed': {
      const text = channelText(event);
      return text === '' ? '' : line(text);
    }
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

function channelText(event: FoundEvent): string {
  const say = (key: string): string => visibleText(textField(event, key), false);
  const number = (key: string): string => String(Number(event[key]));
  const channel = `channel ${number('channel')}`;
  const found = Number(event['detected']) > 0 ? `, ${number('detected')} values found by detectors` : '';
  switch (event.type) {
    case 'channel.opened': {
      const terminal = typeof event['columns'] === 'number' ? `, terminal ${say('term')} ${number('columns')}×${number('rows')}` : '';
      return `${channel} opened: ${say('kind')}${terminal}`;
    }
    case 'channel.data':
      return Number(event['detected']) > 0 ? `${channel}: ${number('detected')} values hidden by detectors` : '';
    case 'channel.resized':
      return `${channel}: terminal ${number('columns')}×${number('rows')}`;
    case 'channel.signal':
      return `${channel}: signal ${say('signal')}`;
    case 'channel.file': {
      const whole = event['complete'] === true ? '' : ', not whole';
      return `${channel}: ${say('by')} ${say('action')} ${say('path')}: ${number('bytes')} bytes${whole}, SHA-256 ${say('sha256')}${found}`;
    }
    case 'channel.operation': {
      const detail = say('detail') === '' ? '' : `: ${say('detail')}`;
      return `${channel}: ${say('text')} → ${say('outcome')}${detail}`;
    }
    default: {
      const status = typeof event['exitStatus'] === 'number' ? `, exit status ${number('exitStatus')}` : '';
      const signal = say('exitSignal') === '' ? '' : `, signal ${say('exitSignal')}`;
      return `${channel} closed: ${say('reason')}${status}${signal}; ${number('inputBytes')} bytes in, ${number('outputBytes')} bytes out`;
    }
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
