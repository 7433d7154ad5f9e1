import { generateKeyPairSync, sign } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { checkpointNote, keyFingerprint, parseCheckpoint, treeHeadText } from '../../../core/evidence/checkpoint.ts';
import { findingText } from '../../../core/evidence/findings.ts';
import { type Verification, type VerifyOptions, verifyEvidence } from '../../../core/evidence/verify.ts';
import { memorySource, smallEvidence } from '../../support/evidence.ts';

let files: Map<string, Buffer>;

beforeAll(async () => {
  files = await smallEvidence();
});

const S1 = 'sessions/2026-11-20/s1/000000.seg';

function verify(change: (copy: Map<string, Buffer>) => void, options: VerifyOptions = {}): Promise<Verification> {
  const copy = new Map(files);
  change(copy);
  return verifyEvidence(memorySource(copy), options);
}

const unchanged = (): void => undefined;

function bytesOf(path: string): Buffer {
  const bytes = files.get(path);
  if (bytes === undefined) throw new Error(`no ${path}`);
  return bytes;
}

function pathsOf(folder: string, ending = ''): string[] {
  return [...files.keys()].filter((path) => path.startsWith(`${folder}/`) && path.endsWith(ending)).sort();
}

/** The lines and contents of a segment, one entry a batch. */
function batchesOf(bytes: Buffer): Buffer[] {
  const starts: number[] = [];
  for (let at = bytes.indexOf('{"batch":'); at >= 0; at = bytes.indexOf('\n{"batch":', at) + 1 || -1) starts.push(at);
  return starts.map((start, index) => bytes.subarray(start, starts[index + 1]));
}

describe('evidence as it was written', () => {
  test('is intact and complete, and its abnormal ends are named', async () => {
    const result = await verify(unchanged);
    expect(result.findings).toEqual([]);
    expect(result).toMatchObject({ intact: true, complete: true, recordings: 3, writers: 2, refusals: 1, uncovered: 0, open: [] });
    expect(result.abnormal).toEqual([{ session: 's2', reason: 'the writer ended without closing' }]);
  });

  test('says that its key came from itself, unless the key is pinned', async () => {
    const pinned = (await verify(unchanged)).keys;
    expect((await verify(unchanged)).notes.join()).toContain('the key came from the evidence itself');
    const result = await verify(unchanged, { pinned });
    expect([result.intact, result.keysPinned, result.notes]).toEqual([true, true, []]);
  });
});

describe('a change', () => {
  test('of any single byte in any file is found', async () => {
    const places = [...files].flatMap(([path, { length }]) => ({ path, length }));
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...places), fc.nat(), fc.integer({ min: 1, max: 255 }), async ({ path, length }, pick, flip) => {
        const result = await verify((copy) => {
          const bytes = Buffer.from(bytesOf(path));
          bytes.writeUInt8(bytes.readUInt8(pick % length) ^ flip, pick % length);
          copy.set(path, bytes);
        });
        expect(result.intact && result.complete).toBe(false);
      }),
      { numRuns: 600 },
    );
  });

  test('of any file by removing it is not complete', async () => {
    for (const path of files.keys()) {
      const result = await verify((copy) => copy.delete(path));
      expect([path, result.complete]).toEqual([path, false]);
      const name = path.endsWith('000000000013.ckpt') ? 'checkpoints' : path;
      expect(result.findings.some(({ file, what }) => file === name || what.includes(path) || name.includes('.leaves'))).toBe(true);
    }
  });

  test('of any file by cutting its end is found', async () => {
    const paths = [...files.keys()];
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...paths), fc.nat(), async (path, pick) => {
        const bytes = bytesOf(path);
        const result = await verify((copy) => copy.set(path, bytes.subarray(0, pick % bytes.length)));
        expect(result.intact && result.complete).toBe(false);
      }),
      { numRuns: 200 },
    );
  });

  test('in a batch is reported with its file, byte, batch and events', async () => {
    const at = bytesOf(S1).indexOf('select 1');
    const result = await verify((copy) =>
      copy.set(S1, Buffer.from(bytesOf(S1).toString('latin1').replace('select 1', 'select 9'), 'latin1')),
    );
    const [, second = Buffer.alloc(0)] = batchesOf(bytesOf(S1));
    expect(at).toBeGreaterThan(0);
    expect(result.intact).toBe(false);
    expect(result.complete).toBe(true);
    expect(result.findings.map(findingText)).toEqual([
      `${S1}, byte 0, batch 0, events 0–2: batch 0 is not the one that batch 1 names: one of the two was changed`,
    ]);
    expect(second.includes('rows.released')).toBe(true);
  });

  test('in released rows is reported as such', async () => {
    const result = await verify((copy) => {
      const bytes = Buffer.from(bytesOf(S1));
      bytes.write('eve', bytes.indexOf('ann', bytes.indexOf('rows.released')));
      copy.set(S1, bytes);
    });
    expect(result.findings.map(({ what }) => what)).toEqual(['the content of the batch does not have the hash that its line names']);
  });

  test('in the order of batches is found', async () => {
    const batches = batchesOf(bytesOf(S1));
    const [a, b, c] = batches;
    expect(batches.length).toBe(5);
    const result = await verify((copy) => copy.set(S1, Buffer.concat([a, c, b, ...batches.slice(3)].filter((part) => part !== undefined))));
    expect(result.intact).toBe(false);
  });

  test('that repeats a recording under another name or day is found', async () => {
    for (const path of ['sessions/2026-11-20/s9/000000.seg', 'sessions/2026-11-21/s1/000000.seg']) {
      const result = await verify((copy) => copy.set(path, bytesOf(S1)));
      expect(result.findings.map(({ what }) => what)).toEqual(['no spine names this recording']);
    }
  });

  test('that adds a file of any other name is found', async () => {
    const result = await verify((copy) => copy.set('sessions/notes.txt', Buffer.from('x')));
    expect(result.findings.map(findingText)).toEqual(['sessions/notes.txt: evidence has no such file']);
  });
});

describe('a rewrite by someone who writes everything anew', () => {
  /** All checkpoints signed again with a key of the forger, whose file takes the place of the real one. */
  function resign(copy: Map<string, Buffer>): void {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const fingerprint = keyFingerprint(publicKey);
    for (const path of pathsOf('keys')) copy.delete(path);
    copy.set(`keys/${fingerprint}.pem`, Buffer.from(publicKey.export({ type: 'spki', format: 'pem' })));
    for (const path of pathsOf('checkpoints', '.ckpt')) {
      const head = parseCheckpoint(bytesOf(path).toString());
      if (head === undefined) throw new Error('no checkpoint');
      copy.set(path, Buffer.from(checkpointNote(head, fingerprint, sign('sha256', Buffer.from(treeHeadText(head)), privateKey))));
    }
  }

  test('does not pass with a pinned key', async () => {
    const pinned = (await verify(unchanged)).keys;
    const result = await verify(resign, { pinned });
    expect(result.intact).toBe(false);
    expect(result.findings.map(({ what }) => what)).toContain('no trusted key made its signature');
  });

  test('does not pass without one either, as long as the spines name the real key', async () => {
    const result = await verify(resign);
    expect(result.findings.map(({ what }) => what)).toContain('the key file is missing: a writer seals with this key');
  });

  test('that goes back in time is shown by a kept checkpoint', async () => {
    const [, , newest = ''] = pathsOf('checkpoints', '.ckpt');
    const earlier = new Map([...files].filter(([path]) => !path.includes('s3') && !path.includes('w2')));
    for (const path of pathsOf('checkpoints').slice(2)) earlier.delete(path);
    const checkpoint = bytesOf(newest).toString();
    const result = await verifyEvidence(memorySource(earlier), { checkpoint });
    expect(result.findings.map(findingText)).toEqual([
      'the kept checkpoint: it is over 13 leaves, but only 5 are there: evidence was removed',
    ]);
    expect((await verify(unchanged, { checkpoint })).findings).toEqual([]);
  });

  test('with another tree of the same size is shown by a kept checkpoint', async () => {
    const [first = ''] = pathsOf('checkpoints', '.ckpt');
    const other = await smallEvidence();
    const [otherFirst = ''] = [...other.keys()].filter((path) => path.endsWith('.ckpt')).sort();
    expect(otherFirst).toBe(first);
    const result = await verify(unchanged, { checkpoint: (other.get(otherFirst) ?? '').toString() });
    expect(result.intact).toBe(false);
  });
});
