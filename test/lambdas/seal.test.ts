// The sealer over journals in memory: what it signs, where it stops, and every point at which it can die.
import { describe, expect, test } from 'vitest';
import { parseCheckpoint } from '../../core/evidence/checkpoint.ts';
import { journalPartition } from '../../core/evidence/journal.ts';
import { checkpointPath } from '../../core/evidence/layout.ts';
import { verifyEvidence } from '../../core/evidence/verify.ts';
import { DAY } from '../support/journaled-writer.ts';
import { Died, memorySigner } from '../support/memory-evidence.ts';
import { MemoryPlane } from '../support/sealing.ts';

async function verdict(plane: MemoryPlane) {
  const result = await verifyEvidence(plane.memory.source());
  return {
    intact: result.intact,
    complete: result.complete,
    findings: result.findings,
    uncovered: result.uncovered,
    leaves: result.leaves,
  };
}

const FINE = { intact: true, complete: true, findings: [], uncovered: 0 };

/** Two writers with one session each, one of them closed properly. */
async function twoWriters(plane = new MemoryPlane()): Promise<MemoryPlane> {
  const first = plane.writer('w1');
  const second = plane.writer('w2');
  await first.start();
  await second.start();
  await first.open('s1');
  await second.open('s2');
  for (let each = 0; each < 3; each += 1) {
    await first.statement('s1');
    await second.statement('s2');
  }
  await first.heads();
  await second.heads();
  await second.close('s2');
  await second.stop();
  return plane;
}

describe('the sealer', () => {
  test('puts every spine under one tree that verifies', async () => {
    const plane = await twoWriters();
    expect(await plane.seal()).toMatchObject({ seals: 1, broken: [], elsewhere: false });
    expect(await verdict(plane)).toMatchObject(FINE);
  });

  test('signs empty minutes too, each under a larger tree', async () => {
    const plane = await twoWriters();
    for (let minute = 0; minute < 3; minute += 1) {
      await plane.seal();
      plane.minutes(1);
    }
    const sizes = plane.signed.map(({ note }) => parseCheckpoint(note)?.size ?? 0);
    expect(sizes).toEqual([sizes[0], (sizes[0] ?? 0) + 1, (sizes[0] ?? 0) + 2]);
    expect(await verdict(plane)).toMatchObject(FINE);
  });

  test('signs an instance in which nobody has recorded anything', async () => {
    const plane = new MemoryPlane();
    await plane.seal();
    await plane.seal();
    expect(await verdict(plane)).toMatchObject({ ...FINE, leaves: 2 });
  });

  test('names the image of each writer once, and the checkpoint before', async () => {
    const plane = await twoWriters();
    await plane.seal();
    await plane.seal();
    const own = [...plane.memory.objects].filter(([path]) => path.startsWith('writers/sealer-test')).map(([, bytes]) => bytes.toString());
    const types = own.flatMap((text) => [...text.matchAll(/"type":"([a-z.]+)"/gu)].map(([, type]) => type));
    expect(types).toEqual(['writer.opened', 'writer.seen', 'writer.seen', 'checkpoint.signed']);
  });

  test('goes on behind what it has sealed, piece by piece', async () => {
    const plane = new MemoryPlane();
    const writer = plane.writer('w1');
    await writer.start();
    await plane.seal();
    await writer.open('s1');
    await plane.seal();
    await writer.statement('s1', 10_000);
    await writer.heads();
    await writer.close('s1');
    await plane.seal();
    expect([...plane.memory.objects.keys()].filter((path) => path.startsWith('writers/w1'))).toEqual([
      'writers/w1/000000000000.log',
      'writers/w1/000000000001.log',
      'writers/w1/000000000002.log',
    ]);
    expect(await verdict(plane)).toMatchObject(FINE);
  });

  test('takes a large backlog in bounded plans within one run', async () => {
    const plane = await twoWriters();
    const outcome = await plane.seal({ limits: { commitsPerWriter: 2, bodyBytes: 1e9 } });
    expect(outcome.seals).toBeGreaterThan(3);
    expect(await verdict(plane)).toMatchObject(FINE);
  });

  test('whose time is up leaves the rest to the next run', async () => {
    const plane = await twoWriters();
    let asked = 0;
    const outcome = await plane.seal({ limits: { commitsPerWriter: 2, bodyBytes: 1e9 }, goOn: () => (asked += 1) < 3 });
    expect(outcome.seals).toBe(1);
    await plane.seal();
    expect(await verdict(plane)).toMatchObject(FINE);
  });

  test('stops at a commit that was changed, tells it, and seals the other writers on', async () => {
    const plane = await twoWriters();
    const key = 'w1 3';
    const entry = plane.memory.journal.get(key);
    if (entry?.kind !== 'commit') throw new Error('no such commit');
    plane.memory.journal.set(key, { ...entry, commit: { ...entry.commit, body: Buffer.concat([entry.commit.body, Buffer.from(' ')]) } });
    const outcome = await plane.seal();
    expect(outcome.broken).toMatchObject([{ writer: 'w1', seq: 3, why: 'the commit does not have its hash' }]);
    const again = await plane.seal();
    expect(again.broken).toMatchObject([{ writer: 'w1', seq: 3 }]);
    expect(plane.memory.objects.has('writers/w2/000000000000.log')).toBe(true);
    // The evidence itself says so, to whoever reads it.
    expect((await verdict(plane)).findings).toMatchObject([
      { about: 'complete', file: 'writers/w1.log', what: expect.stringContaining('commit 3') },
    ]);
  });

  test.each([
    ['a commit that names another before it', (plane: MemoryPlane) => replace(plane, 'w1 2', { prev: 'f'.repeat(64) }), 2],
    ['an item that no writer puts', (plane: MemoryPlane) => void plane.memory.journal.set('w1 2', { kind: 'malformed', seq: 2 }), 2],
    ['a commit of another writer', (plane: MemoryPlane) => void plane.memory.journal.set('w1 2', present(plane, 'w2 2')), 2],
  ])('%s is not sealed', async (_, tamper, seq) => {
    const plane = await twoWriters();
    tamper(plane);
    expect((await plane.seal()).broken).toMatchObject([{ writer: 'w1', seq }]);
  });

  test('does not go past a commit that is missing', async () => {
    const plane = await twoWriters();
    plane.memory.journal.delete('w1 3');
    expect((await plane.seal()).broken).toEqual([]);
    // What the spine does not name cannot be told from what is still to come; the recording is open.
    expect(plane.memory.sealItems.get('writer#w1')?.body).toMatchObject({ position: { nextSeq: 3 } });
    expect(journalPartition('w1', 3)).toBe('w1#3');
  });

  test('loses nothing while its key cannot be used, and catches up', async () => {
    const plane = await twoWriters();
    await plane.seal();
    const { signer } = plane;
    const writer = plane.writer('w3');
    await writer.start();
    plane.signer = { ...signer, sign: () => Promise.reject(new Error('KMS is down')) };
    for (let minute = 0; minute < 3; minute += 1) {
      plane.minutes(1);
      await expect(plane.seal()).rejects.toThrow('KMS is down');
    }
    expect(plane.ages.at(-1)).toBe(3 * 60_000);
    plane.signer = signer;
    await plane.seal();
    expect(await verdict(plane)).toMatchObject(FINE);
    expect(plane.memory.objects.has('writers/w3/000000000000.log')).toBe(true);
  });

  test('loses nothing while the bucket refuses, and catches up', async () => {
    const plane = await twoWriters();
    await plane.seal();
    const { store } = plane.memory;
    const denied = { ...store, put: () => Promise.reject(new Error('AccessDenied')) };
    for (let minute = 0; minute < 3; minute += 1) {
      plane.minutes(1);
      await expect(plane.seal({ store: denied })).rejects.toThrow('AccessDenied');
    }
    expect(plane.ages.at(-1)).toBe(3 * 60_000);
    const writer = plane.writer('w3');
    await writer.start();
    await plane.seal();
    expect(await verdict(plane)).toMatchObject(FINE);
    expect(plane.memory.objects.has('writers/w3/000000000000.log')).toBe(true);
  });

  test.each(['tree', 'plan', 'writer#w1'])('seals nothing where its item %s is not what it put', async (id) => {
    const plane = await twoWriters();
    await plane.seal();
    const { v } = plane.memory.sealItems.get(id) ?? { v: 0 };
    plane.memory.sealItems.set(id, { v: id === 'plan' ? v + 1 : v, body: { position: 7 } });
    await expect(plane.seal()).rejects.toMatchObject({ code: 'seal-state-malformed' });
  });

  test('under a new key becomes another writer, and the old one closes', async () => {
    const plane = await twoWriters();
    await plane.seal();
    plane.signer = memorySigner();
    await plane.seal();
    await plane.seal();
    expect(await verdict(plane)).toMatchObject(FINE);
    expect([...plane.memory.objects.keys()].filter((path) => path.startsWith('keys/'))).toHaveLength(2);
  });

  test('whose key was changed in the middle of a seal ends it', async () => {
    const plane = await twoWriters();
    const writes = plane.memory.writes;
    // The checkpoint is put, and then the run dies.
    plane.memory.between = () =>
      plane.memory.objects.size > 0 && [...plane.memory.objects.keys()].some((path) => path.endsWith('.ckpt'))
        ? Promise.reject(new Died())
        : Promise.resolve();
    await expect(plane.seal()).rejects.toThrow(Died);
    plane.memory.between = () => Promise.resolve();
    expect(plane.memory.writes).toBeGreaterThan(writes);
    plane.signer = memorySigner();
    await plane.seal();
    await plane.seal();
    expect(await verdict(plane)).toMatchObject(FINE);
  });

  test('whose key was changed right behind its first plan carries it out under the new one', async () => {
    const plane = await twoWriters();
    plane.memory.fault = { at: plane.memory.writes + 1, when: 'before' };
    await expect(plane.seal()).rejects.toThrow(Died);
    plane.memory.fault = undefined;
    plane.signer = memorySigner();
    await plane.seal();
    await plane.seal();
    expect(await verdict(plane)).toMatchObject(FINE);
  });

  test('signs nothing over a file that somebody put in its place', async () => {
    const plane = await twoWriters();
    plane.memory.objects.set('writers/w1/000000000000.log', Buffer.from('forged\n'));
    await expect(plane.seal()).rejects.toMatchObject({ code: 'evidence-taken' });
    expect([...plane.memory.objects.keys()].some((path) => path.endsWith('.ckpt'))).toBe(false);
  });

  test('keeps no checkpoint that it did not sign', async () => {
    const plane = await twoWriters();
    const other = await twoWriters();
    await other.seal();
    const [theirs] = other.signed;
    if (theirs === undefined) throw new Error('nothing was signed');
    plane.memory.objects.set(theirs.path, Buffer.from(theirs.note));
    await expect(plane.seal()).rejects.toMatchObject({ code: 'evidence-taken' });
  });

  test('finds a journal that was changed behind its plan', async () => {
    const plane = await twoWriters();
    plane.memory.fault = { at: plane.memory.writes + 1, when: 'before' };
    await expect(plane.seal()).rejects.toThrow(Died);
    plane.memory.fault = undefined;
    replace(plane, 'w1 2', { prev: 'f'.repeat(64) });
    await expect(plane.seal()).rejects.toMatchObject({ code: 'journal-changed' });
  });

  test('dies at any write, with or without its effect, and the next run makes the same objects', async () => {
    const whole = await twoWriters();
    const before = whole.memory.writes;
    await whole.seal();
    const steps = whole.memory.writes - before;
    expect(steps).toBeGreaterThan(8);
    for (let step = 0; step < steps; step += 1) {
      for (const when of ['before', 'after'] as const) {
        const plane = await twoWriters();
        plane.signer = whole.signer;
        plane.memory.fault = { at: plane.memory.writes + step, when };
        await plane.seal().catch((error: unknown) => expect(error).toBeInstanceOf(Died));
        plane.memory.fault = undefined;
        plane.minutes(1);
        await plane.seal();
        await plane.seal();
        expect([step, when, await verdict(plane)]).toMatchObject([step, when, FINE]);
        // The objects of the first seal are those of a run that did not die; a signature is never the same.
        for (const [path, bytes] of whole.memory.objects) {
          if (path.endsWith('.ckpt') || (step === 0 && when === 'before')) continue;
          expect([step, path, plane.memory.objects.get(path)?.equals(bytes)]).toEqual([step, path, true]);
        }
      }
    }
  });

  test('two runs at once make one tree', async () => {
    const plane = await twoWriters();
    for (let minute = 0; minute < 4; minute += 1) {
      await Promise.all([plane.seal(), plane.seal()]);
      plane.minutes(1);
    }
    expect(await verdict(plane)).toMatchObject(FINE);
  });

  test('a run that slept through several seals changes nothing', async () => {
    const plane = await twoWriters();
    let slept = false;
    plane.memory.between = async () => {
      if (slept) return;
      slept = true;
      await plane.seal();
      await plane.seal();
    };
    await plane.seal();
    expect(slept).toBe(true);
    await plane.seal();
    expect(await verdict(plane)).toMatchObject(FINE);
  });

  test('names a checkpoint under the day of its plan', async () => {
    const plane = await twoWriters();
    await plane.seal();
    const [first] = plane.signed;
    expect(first?.path).toBe(checkpointPath(DAY, parseCheckpoint(first?.note ?? '')?.size ?? -1));
  });
});

function present(plane: MemoryPlane, key: string) {
  const entry = plane.memory.journal.get(key);
  if (entry?.kind !== 'commit') throw new Error('no such commit');
  return entry;
}

function replace(plane: MemoryPlane, key: string, over: { prev: string }): void {
  const entry = present(plane, key);
  plane.memory.journal.set(key, { ...entry, commit: { ...entry.commit, ...over } });
}
