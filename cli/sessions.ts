// `sallyport sessions`: what was recorded, from the evidence itself; `end` asks the running gateway.
import { jsonLine } from './json-line.ts';
import { visibleText } from '../core/approval/visible.ts';
import type { FoundEvent } from '../core/evidence/batch.ts';
import { principalOf, textField } from '../core/evidence/play.ts';
import { listRecordings, readRecording } from '../core/evidence/recordings.ts';
import type { EvidenceSource } from '../core/evidence/source.ts';
import type { NamedRecording } from '../core/evidence/spine-ledger.ts';
import { dataDirectory } from '../standalone/data-directory.ts';
import { directorySource } from '../standalone/evidence/directory-source.ts';
import { evidenceDirectory } from '../standalone/evidence/evidence-directory.ts';
import { remoteGateway } from './gateway-client.ts';
import { findRecording, firstEvent } from './recorded-sessions.ts';
import { shortTime, textTable } from './text-table.ts';
import { EXIT, readArguments, UsageError, type Verb, type VerbIo } from './verb.ts';

const USAGE = `Usage: sallyport sessions [--json]
       sallyport sessions show ID [--json]
       sallyport sessions end ID --reason TEXT
       sallyport sessions lock SUBJECT --reason TEXT
       sallyport sessions unlock SUBJECT
       sallyport sessions locks

Lists the recorded sessions, newest last; shows one with its statements and decisions; or ends one that is open.
ID may be shortened as long as it means one session; \`latest\` is the newest one with statements.
SUBJECT is an agent (corp/agent-7) or a person (alice@bank.example): its sessions end, and so do those of agents that it
owns or that act for it, and no new ones open until it is unlocked.

  --evidence PATH   evidence to read instead of that of the data directory
  --data DIR        data directory (SALLYPORT_DATA, else .sallyport)
  --api URL         a gateway elsewhere (SALLYPORT_API): lists its live sessions, ends and locks there, for whom
                    SALLYPORT_OPERATOR_TOKEN proves to be an operator (\`sallyport token --operator\`)
  --json            one JSON object a line
`;

type Summary = {
  readonly session: string;
  readonly state: 'open' | 'closed' | 'abnormal';
  readonly principal: string;
  readonly target: string;
  readonly startedAt: string;
  readonly endedAt: string;
  readonly reason: string;
  readonly statements: number | null;
  readonly rows: number | null;
};

async function run(args: readonly string[], io: VerbIo): Promise<number> {
  const [action = ''] = args;
  if (action === 'end') return (await import('./session-end.ts')).endSession(args.slice(1), io);
  if (action === 'lock' || action === 'unlock' || action === 'locks')
    return (await import('./session-lock.ts')).lockSessions(action, args.slice(1), io);
  const { values, positionals } = readArguments({
    args: [...args],
    allowPositionals: true,
    options: {
      evidence: { type: 'string' },
      data: { type: 'string' },
      api: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const [what, id, ...more] = positionals;
  if (more.length > 0 || (what !== undefined && (what !== 'show' || id === undefined))) {
    throw new UsageError('sessions takes nothing, show ID, end ID, lock SUBJECT, unlock SUBJECT, or locks');
  }
  if (values.evidence === undefined && remoteGateway(values, io.env) !== undefined) {
    if (id !== undefined)
      throw new UsageError('show reads recordings, which a gateway elsewhere does not hand out: name them with --evidence');
    return (await import('./session-live.ts')).listLive(values, io);
  }
  const source = directorySource(evidenceDirectory(values.evidence ?? dataDirectory(values.data, io.env)));
  if (id !== undefined) {
    await show(source, id, values.json, io);
    return EXIT.fine;
  }
  const summaries: Summary[] = [];
  for (const recording of await listRecordings(source)) {
    summaries.push(summaryOf(recording, await firstEvent(source, recording)));
  }
  summaries.sort((a, b) => (a.startedAt < b.startedAt ? -1 : 1));
  if (values.json) for (const summary of summaries) io.stdout.write(jsonLine(summary));
  else io.stdout.write(summaries.length === 0 ? 'No session was recorded yet.\n' : table(summaries));
  return EXIT.fine;
}

function summaryOf({ session, end }: NamedRecording, opened: FoundEvent | undefined): Summary {
  return {
    session,
    state: end === undefined ? 'open' : end.abnormal ? 'abnormal' : 'closed',
    principal: opened === undefined ? '' : principalOf(opened),
    target: opened === undefined ? '' : textField(opened, 'target'),
    startedAt: opened === undefined ? '' : textField(opened, 'at'),
    endedAt: end?.at ?? '',
    reason: end?.reason ?? '',
    statements: end?.totals?.statements ?? null,
    rows: end?.totals?.rows ?? null,
  };
}

const HEADS = ['SESSION', 'STATE', 'PRINCIPAL', 'TARGET', 'STARTED', 'ENDED', 'STATEMENTS', 'ROWS'] as const;

function table(summaries: readonly Summary[]): string {
  const rows = summaries.map((each) => [
    each.session,
    each.state,
    each.principal,
    each.target,
    shortTime(each.startedAt),
    shortTime(each.endedAt),
    String(each.statements ?? ''),
    String(each.rows ?? ''),
  ]);
  return textTable(HEADS, rows);
}

async function show(source: EvidenceSource, id: string, json: boolean, io: VerbIo): Promise<void> {
  const recording = await findRecording(source, id);
  const summary = summaryOf(recording, await firstEvent(source, recording));
  const statements: FoundEvent[] = [];
  for await (const { events } of readRecording(source, recording)) {
    statements.push(...events.filter(({ type }) => type === 'statement.judged'));
  }
  if (json) {
    io.stdout.write(jsonLine({ ...summary, statements }));
    return;
  }
  const { session, state, principal, target, startedAt, endedAt, reason } = summary;
  const facts = { session, state: reason === '' ? state : `${state} (${reason})`, principal, target, started: startedAt, ended: endedAt };
  for (const [name, value] of Object.entries(facts)) io.stdout.write(`${name.padEnd(10)}${visibleText(value, false)}\n`);
  io.stdout.write('\n');
  for (const statement of statements) {
    const number = String(statement['statement']).padStart(4);
    const code = textField(statement, 'code');
    const decision = `${textField(statement, 'decision')}${code === '' ? '' : ` ${code}`}`;
    io.stdout.write(`${number}  ${decision.padEnd(14)}  ${visibleText(textField(statement, 'text'), false)}\n`);
    io.stdout.write(`      ${visibleText(textField(statement, 'reason'), false)}\n`);
  }
}

export const verb: Verb = { usage: USAGE, run };
