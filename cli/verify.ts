// `sallyport verify`: is the evidence intact, is it complete. Needs nothing but the files.
import { jsonLine } from './json-line.ts';
import { existsSync, readFileSync } from 'node:fs';
import { visibleText } from '../core/approval/visible.ts';
import { parseCheckpoint, trustedKey } from '../core/evidence/checkpoint.ts';
import { type Finding, findingText } from '../core/evidence/findings.ts';
import { type Verification, verifyEvidence } from '../core/evidence/verify.ts';
import { dataDirectory } from '../standalone/data-directory.ts';
import { evidenceSource } from './evidence-source.ts';
import { EXIT, readArguments, UsageError, type Verb, type VerbIo } from './verb.ts';

const USAGE = `Usage: sallyport verify [PATH|URI] [--key FILE|FINGERPRINT]... [--checkpoint FILE] [--json]

Reads all of the evidence in PATH and says whether it is intact (nothing was changed) and whether it is complete
(nothing is missing). PATH is a directory of evidence or the data directory around it, which needs no network; or
s3://BUCKET/PREFIX, which needs AWS credentials that may list and read it. Both work while the gateway runs.

  --key FILE|FINGERPRINT   trust only this key; without it the key comes from the evidence itself
  --checkpoint FILE        a checkpoint that you kept: shows evidence that was rewritten or rolled back since
  --data DIR               data directory when there is no PATH (SALLYPORT_DATA, else .sallyport)
  --json                   one JSON object with everything that was found

Exit status 0 when intact and complete, 1 when not, 2 for wrong usage.
`;

/** Findings that people are shown; --json has more. */
const SHOWN_FINDINGS = 20;

async function run(args: readonly string[], io: VerbIo): Promise<number> {
  const { values, positionals } = readArguments({
    args: [...args],
    allowPositionals: true,
    options: {
      key: { type: 'string', multiple: true, default: [] },
      checkpoint: { type: 'string' },
      data: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  if (positionals.length > 1) throw new UsageError('verify takes one path');
  const pins = values.key.map(readPin);
  const checkpoint = values.checkpoint === undefined ? undefined : readCheckpoint(values.checkpoint);
  const { name: root, source } = await evidenceSource(positionals[0] ?? dataDirectory(values.data, io.env));
  const progress = progressOn(io);
  const result = await verifyEvidence(source, {
    pinned: pins.flatMap((pin) => (pin.kind === 'fingerprint' ? [pin.value] : [])),
    pinnedPems: pins.flatMap((pin) => (pin.kind === 'pem' ? [pin.value] : [])),
    ...(checkpoint === undefined ? {} : { checkpoint }),
    progress: (done, total) => progress.step(done, total),
  });
  progress.end();
  io.stdout.write(values.json ? jsonLine({ path: root, ...result }) : report(root, result));
  return result.intact && result.complete ? EXIT.fine : EXIT.findings;
}

type Pin = { readonly kind: 'fingerprint' | 'pem'; readonly value: string };

function readPin(key: string): Pin {
  const fingerprint = key.toLowerCase().replace(/^sha256:/u, '');
  if (/^[0-9a-f]{64}$/u.test(fingerprint)) return { kind: 'fingerprint', value: fingerprint };
  if (!existsSync(key)) throw new UsageError(`--key ${key} is neither a file nor a fingerprint of 64 hex digits`);
  const value = readFileSync(key, 'utf8');
  if (trustedKey(value) === undefined) throw new UsageError(`--key ${key} holds no P-256 public key in PEM`);
  return { kind: 'pem', value };
}

function readCheckpoint(path: string): string {
  if (!existsSync(path)) throw new UsageError(`--checkpoint ${path} does not exist`);
  const text = readFileSync(path, 'utf8');
  if (parseCheckpoint(text) === undefined) throw new UsageError(`--checkpoint ${path} holds no checkpoint`);
  return text;
}

function progressOn({ stderr }: VerbIo): { step(done: number, total: number): void; end(): void } {
  if (stderr.isTTY !== true) return { step: () => undefined, end: () => undefined };
  let shown = -1;
  return {
    step: (done, total) => {
      const percent = total === 0 ? 100 : Math.min(100, Math.floor((done * 100) / total));
      if (percent === shown) return;
      shown = percent;
      stderr.write(`\r${percent}% of ${Math.ceil(total / 1e6)} MB`);
    },
    end: () => void stderr.write('\r\u001b[K'),
  };
}

function report(root: string, result: Verification): string {
  const { newestCheckpoint: newest, findings } = result;
  const lines = [
    root,
    `intact    ${result.intact ? 'yes: nothing was changed' : 'NO'}`,
    `complete  ${result.complete ? 'yes: nothing is missing' : 'NO'}`,
    ...findings.slice(0, SHOWN_FINDINGS).map((finding) => `  ${label(finding)}  ${findingText(finding)}`),
    ...(result.findingCount > SHOWN_FINDINGS ? [`  … and ${result.findingCount - SHOWN_FINDINGS} more`] : []),
    '',
    `${count(result.recordings, 'session')}, ${count(result.events, 'event')} in ${count(result.batches, 'batch', 'batches')}, ${result.bytes} bytes, ${count(result.refusals, 'refused login')}`,
    ...(result.open.length > 0 ? [`open: ${result.open.join(', ')}`] : []),
    ...(result.openWriters.length > 0 ? [`still writing, or ended without closing: ${result.openWriters.join(', ')}`] : []),
    ...result.abnormal.map(({ session, reason, lost }) => `ended abnormally: ${session} (${reason}${lostText(lost)})`),
    ...(newest === undefined ? [] : [`newest checkpoint: ${newest.origin}, ${count(newest.size, 'leaf', 'leaves')}, root ${newest.root}`]),
    `${result.keysPinned ? 'pinned key' : 'key'}: ${result.keys.map((key) => `sha256:${key}`).join(', ') || 'none'}`,
    ...result.notes.map((note) => `note: ${note}`),
  ];
  // Names and notes come from the evidence, which may be hostile.
  return `${lines.map((line) => visibleText(line, false)).join('\n')}\n`;
}

function lostText(lost: Verification['abnormal'][number]['lost']): string {
  return lost === undefined ? '' : `; the content of ${count(lost.batches, 'batch', 'batches')}, ${lost.bytes} bytes, was lost with it`;
}

function label({ about }: Finding): string {
  return about === 'intact' ? 'changed' : 'missing';
}

function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}

export const verb: Verb = { usage: USAGE, run };
