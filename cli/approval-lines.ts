/** An approval from the API, read strictly, and shown in a terminal. */
import { approvalNonce } from '../core/approval/nonce.ts';
import { visibleText } from '../core/approval/visible.ts';
import { GatewayRefused } from './gateway-client.ts';

export type ShownApproval = {
  readonly id: string;
  readonly state: string;
  readonly url: string;
  readonly digest: string;
  readonly nonce: string;
  readonly principal: string;
  readonly human: string | undefined;
  readonly owner: string | undefined;
  readonly target: string;
  readonly protocol: string;
  /** The database; on a host the account. */
  readonly database: string;
  readonly text: string;
  readonly textBytes: number;
  readonly executes: string | undefined;
  readonly environment: readonly string[];
  readonly parameters: readonly (string | null)[];
  readonly effects: readonly { readonly action: string; readonly resource: string; readonly via: string | undefined }[];
  readonly policyReason: string;
  readonly reasonGiven: string;
  readonly expiresAt: string;
  readonly usableUntil: string | undefined;
  /** What became of the one execution: `committed`, `unknown`. */
  readonly outcome: string | undefined;
  readonly votes: readonly { readonly person: string; readonly answer: string; readonly reason: string }[];
  readonly signIn: { readonly issuer: string; readonly clientId: string } | undefined;
  /** As it came. */
  readonly raw: object;
};

/** Throws GatewayRefused for what is not an approval. */
export function readApproval(value: unknown): ShownApproval {
  const fields = new Fields(value);
  const [id, digest] = [fields.text('id'), fields.text('digest')];
  const signIn = fields.optional('signIn');
  const claim = fields.optional('claim');
  return {
    id,
    state: fields.text('state'),
    url: fields.text('url'),
    digest,
    // Made here, not taken: what is signed in for is the id and the digest that are shown.
    nonce: approvalNonce(id, digest),
    principal: fields.text('principal'),
    human: fields.optionalText('human'),
    owner: fields.optionalText('owner'),
    target: fields.text('target'),
    protocol: fields.text('protocol'),
    database: fields.text('database'),
    text: fields.text('text'),
    textBytes: Buffer.byteLength(fields.text('text')),
    executes: fields.optionalText('executes'),
    environment: fields.optional('environment') === undefined ? [] : fields.list('environment').map(textOf),
    parameters: fields.list('parameters').map((parameter) => (parameter === null ? null : textOf(parameter))),
    effects: fields.list('effects').map((effect) => {
      const parts = new Fields(effect);
      return { action: parts.text('action'), resource: parts.text('resource'), via: parts.optionalText('via') };
    }),
    policyReason: fields.text('policyReason'),
    reasonGiven: fields.text('reasonGiven'),
    expiresAt: fields.text('expiresAt'),
    usableUntil: fields.optionalText('usableUntil'),
    outcome: claim === undefined ? undefined : new Fields(claim).text('result'),
    votes: fields.list('votes').map((vote) => {
      const parts = new Fields(vote);
      return { person: parts.text('person'), answer: parts.text('answer'), reason: parts.text('reason') };
    }),
    signIn: signIn === undefined ? undefined : { issuer: new Fields(signIn).text('issuer'), clientId: new Fields(signIn).text('clientId') },
    raw: fields.object,
  };
}

/** Effects first, then the exact statement; nothing in it can move the cursor, hide, or pass for a line of ours. */
export function approvalLines(approval: ShownApproval): readonly string[] {
  const lines = [one`${approval.id}  ${approval.state}${standing(approval)}`, '', 'It can cause:'];
  for (const { action, resource, via } of approval.effects)
    lines.push(one`  ${action} ${resource}${via === undefined ? '' : ` through ${via}`}`);
  const place = approval.protocol === 'ssh' ? `${approval.target} as ${approval.database}` : approval.target;
  lines.push('', one`The exact statement on ${place}, ${String(approval.textBytes)} bytes:`, indented(approval.text));
  for (const variable of approval.environment) lines.push(one`  with ${variable}`);
  if (approval.protocol === 'ssh')
    lines.push('What it reads from its standard input, and what is in a file that is sent, is no part of it.');
  if (approval.executes !== undefined) lines.push('which executes:', indented(approval.executes));
  for (const [index, value] of approval.parameters.entries())
    lines.push(one`  $${String(index + 1)} = ${value === null ? 'NULL' : `'${value}'`}`);
  lines.push('', one`Agent   ${approval.principal}${approval.human === undefined ? '' : `, acts for ${approval.human}`}`);
  lines.push(one`Owner   ${approval.owner ?? 'none'}`, one`Reason  ${approval.reasonGiven === '' ? 'none' : approval.reasonGiven}`);
  lines.push(one`Rule    ${approval.policyReason}`);
  for (const { person, answer, reason } of approval.votes)
    lines.push(one`Answer  ${person}: ${answer}${reason === '' ? '' : ` (${reason})`}`);
  lines.push(one`Page    ${approval.url}`);
  return lines;
}

function standing({ state, expiresAt, usableUntil, outcome }: ShownApproval): string {
  if (state === 'pending') return `, to be answered until ${expiresAt}`;
  if (state === 'approved' && usableUntil !== undefined) return `, to be used until ${usableUntil}`;
  return outcome === undefined ? '' : `: ${outcome}`;
}

/** A template whose values stay on their line. */
function one(parts: TemplateStringsArray, ...values: readonly string[]): string {
  return parts.map((part, index) => part + visibleText(values[index] ?? '', false)).join('');
}

function indented(text: string): string {
  return visibleText(text)
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n');
}

class Fields {
  readonly object: object;

  constructor(value: unknown) {
    if (typeof value !== 'object' || value === null) throw notUnderstood();
    this.object = value;
  }

  optional(name: string): unknown {
    return Object.getOwnPropertyDescriptor(this.object, name)?.value;
  }

  text(name: string): string {
    return textOf(this.optional(name));
  }

  optionalText(name: string): string | undefined {
    const value = this.optional(name);
    return value === undefined ? undefined : textOf(value);
  }

  list(name: string): readonly unknown[] {
    const value = this.optional(name);
    if (!Array.isArray(value)) throw notUnderstood();
    return value;
  }
}

function textOf(value: unknown): string {
  if (typeof value !== 'string') throw notUnderstood();
  return value;
}

function notUnderstood(): GatewayRefused {
  return new GatewayRefused('the gateway’s answer is not understood: is it of another version?');
}
