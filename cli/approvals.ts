/** `sallyport approvals`: what agents wait for, and the answer to it. */
import { jsonLine } from './json-line.ts';
import { visibleText } from '../core/approval/visible.ts';
import { signInAtDemo, signInWithBrowser } from './approver-sign-in.ts';
import { approvalLines, readApproval, type ShownApproval } from './approval-lines.ts';
import { gatewayClient, GatewayRefused, type GatewayClient } from './gateway-client.ts';
import { EXIT, readArguments, UsageError, type Verb, type VerbIo } from './verb.ts';

const USAGE = `Usage: sallyport approvals [--all] [--json]
       sallyport approvals show ID [--json]
       sallyport approvals approve ID [--reason TEXT] [--as PERSON] [--json]
       sallyport approvals reject ID [--reason TEXT] [--as PERSON] [--json]

Lists what waits for an answer, shows one request, or answers it. Answering asks you to sign in
at your identity provider; the sign-in is for this one approval. ID \`latest\` is the newest that waits for an answer.

  --all          also those that are decided, used or expired
  --reason TEXT  why; the agent reads it
  --as PERSON    sign in as this person, at the demo issuer only
  --api URL      a gateway elsewhere (SALLYPORT_API). Its list is for operators: SALLYPORT_OPERATOR_TOKEN,
                 which \`sallyport token --operator\` gets
  --data DIR     the data directory of the gateway (SALLYPORT_DATA, else .sallyport)
  --json         one JSON object a line
`;

export const verb: Verb = { usage: USAGE, run };

type Flags = { readonly json: boolean; readonly as: string | undefined; readonly reason: string };

async function run(args: readonly string[], io: VerbIo): Promise<number> {
  const { values, positionals } = readArguments({
    args: [...args],
    allowPositionals: true,
    options: {
      all: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      reason: { type: 'string', default: '' },
      as: { type: 'string' },
      api: { type: 'string' },
      data: { type: 'string' },
    },
  });
  const [action = 'list', id, ...more] = positionals;
  if (more.length > 0) throw new UsageError(`one approval at a time: ${more.join(' ')} is too much`);
  const client = gatewayClient(values, io.env);
  if (action === 'list') {
    if (id !== undefined) throw new UsageError('list takes no id: did you mean `show`?');
    return list(client, { all: values.all, json: values.json }, io);
  }
  if (action !== 'show' && action !== 'approve' && action !== 'reject')
    throw new UsageError(`${action} is not one of list, show, approve, reject`);
  if (id === undefined || !/^[\w-]+$/.test(id))
    throw new UsageError(`${action} needs the id of an approval, as \`sallyport approvals\` lists them`);
  const approval = readApproval(await client.get(`/v1/approvals/${id === 'latest' ? await latest(client) : id}`));
  const flags: Flags = { json: values.json, as: values.as, reason: values.reason };
  return action === 'show' ? show(approval, flags, io) : decide(client, approval, action, flags, io);
}

async function list(client: GatewayClient, flags: { readonly all: boolean; readonly json: boolean }, io: VerbIo): Promise<number> {
  const approvals = listed(await client.get(`/v1/approvals${flags.all ? '?all=1' : ''}`));
  if (flags.json) for (const approval of approvals) io.stdout.write(jsonLine(approval));
  else if (approvals.length === 0) io.stdout.write('Nothing waits for an answer.\n');
  else for (const shown of approvals.map(readApproval)) io.stdout.write(`${summary(shown)}\n`);
  return EXIT.fine;
}

async function latest(client: GatewayClient): Promise<string> {
  // Newest first; approved ones that can still be used are listed too.
  const waiting = listed(await client.get('/v1/approvals'))
    .map(readApproval)
    .find(({ state }) => state === 'pending');
  if (waiting === undefined) throw new GatewayRefused('nothing waits for an answer');
  return waiting.id;
}

function listed({ approvals }: Readonly<Record<string, unknown>>): readonly unknown[] {
  if (!Array.isArray(approvals)) throw new GatewayRefused('the gateway’s list is not understood: is it of another version?');
  return approvals;
}

function show(approval: ShownApproval, flags: Flags, io: VerbIo): number {
  io.stdout.write(flags.json ? jsonLine(approval.raw) : `${approvalLines(approval).join('\n')}\n`);
  return EXIT.fine;
}

async function decide(
  client: GatewayClient,
  approval: ShownApproval,
  answer: 'approve' | 'reject',
  flags: Flags,
  io: VerbIo,
): Promise<number> {
  if (approval.signIn === undefined) throw new GatewayRefused('the gateway names no issuer to sign in at: answer on the page instead');
  // Whoever answers has had the statement before their eyes.
  if (!flags.json) io.stderr.write(`${approvalLines(approval).join('\n')}\n\n`);
  const request = { ...approval.signIn, nonce: approval.nonce };
  const idToken = flags.as === undefined ? await signInWithBrowser(request, io.stderr) : await signInAtDemo(request, flags.as);
  const decided = readApproval(await client.post(`/v1/approvals/${approval.id}/votes`, { answer, reason: flags.reason, idToken }));
  io.stdout.write(flags.json ? jsonLine(decided.raw) : `${decided.id} is ${decided.state}\n`);
  return EXIT.fine;
}

function summary(approval: ShownApproval): string {
  const sql = visibleText(approval.text, false);
  const short = sql.length > 60 ? `${sql.slice(0, 59)}…` : sql;
  return `${approval.id}  ${approval.state.padEnd(9)} ${visibleText(`${approval.principal} → ${approval.target}`, false)}  ${short}`;
}
