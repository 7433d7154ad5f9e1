// Evidence that somebody made to break its reader: every case ends, with a finding or a clear refusal, and never with a pass.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { verb as replay } from '../../../cli/replay.ts';
import { verb as sessions } from '../../../cli/sessions.ts';
import { verb as verifyVerb } from '../../../cli/verify.ts';
import { batchLine, NO_BATCH } from '../../../core/evidence/batch.ts';
import { verifyEvidence, type Verification } from '../../../core/evidence/verify.ts';
import { directorySource } from '../../../standalone/evidence/directory-source.ts';
import { acknowledged, opened, recordStatement, sessionClosed, startRecorder, temporaryDirectory } from '../../support/evidence.ts';
import { keptIo } from '../../support/verb-io.ts';

let original: string;

async function installation(writer: string, session: string): Promise<string> {
  const data = temporaryDirectory();
  const recorder = startRecorder(data, writer);
  const recording = recorder.open(session);
  recording.append(opened(session));
  recordStatement(recording, 1, acknowledged);
  await recording.close(sessionClosed(1));
  await recorder.close();
  return join(data, 'evidence');
}

beforeAll(async () => {
  original = await installation('w1', 's1');
});

async function after(change: (root: string) => void, options: Parameters<typeof verifyEvidence>[1] = {}): Promise<Verification> {
  const data = temporaryDirectory();
  const root = join(data, 'evidence');
  cpSync(original, root, { recursive: true });
  try {
    change(root);
    return await verifyEvidence(directorySource(root), options);
  } finally {
    rmSync(data, { recursive: true });
  }
}

const sound = ({ intact, complete }: Verification): boolean => intact && complete;
const dayOf = (root: string): string => readdirSync(join(root, 'sessions'))[0] ?? '';
const segment = (root: string): string => join(root, 'sessions', dayOf(root), 's1', '000000.seg');
const spine = (root: string): string => join(root, 'writers', 'w1.log');
const checkpoint = (root: string, ending: string): string => {
  const name = readdirSync(join(root, 'checkpoints', dayOf(root))).find((each) => each.endsWith(ending)) ?? '';
  return join(root, 'checkpoints', dayOf(root), name);
};

test('unchanged, it verifies', async () => {
  expect(sound(await after(() => undefined))).toBe(true);
});

describe('something that is no file of evidence', () => {
  const places: readonly (readonly [name: string, path: (root: string) => string])[] = [
    ['a segment', segment],
    ['a spine', spine],
    ['a checkpoint', (root) => checkpoint(root, '.ckpt')],
    ['the leaves', (root) => checkpoint(root, '.leaves')],
    ['the key', (root) => join(root, 'keys', readdirSync(join(root, 'keys'))[0] ?? '')],
    ['the format', (root) => join(root, 'format.json')],
  ];
  for (const [name, path] of places) {
    test(`a link in place of ${name} is not followed, wherever it leads`, async () => {
      for (const lead of ['copy', '/dev/zero', '/dev/full', 'nowhere', 'itself']) {
        const result = await after((root) => {
          const place = path(root);
          renameSync(place, join(root, '..', 'copy'));
          symlinkSync(lead === 'copy' ? join(root, '..', 'copy') : lead === 'itself' ? place : lead, place);
        });
        expect([lead, sound(result)]).toEqual([lead, false]);
      }
    });

    test(`a pipe or a folder in place of ${name} is neither waited for nor read`, async () => {
      for (const make of ['mkfifo', 'mkdir']) {
        const result = await after((root) => {
          const place = path(root);
          rmSync(place);
          execFileSync(make, [place]);
        });
        expect([make, sound(result)]).toEqual([make, false]);
      }
    });
  }

  test('a file where a folder should be, and a folder that is a link', async () => {
    const asFile = await after((root) => {
      rmSync(join(root, 'sessions', dayOf(root)), { recursive: true });
      writeFileSync(join(root, 'sessions', '2026-11-20'), '');
    });
    expect(sound(asFile)).toBe(false);
    const asLink = await after((root) => {
      renameSync(join(root, 'sessions'), join(root, '..', 'elsewhere'));
      symlinkSync(join(root, '..', 'elsewhere'), join(root, 'sessions'));
    });
    expect(sound(asLink)).toBe(false);
  });

  test('a name with control characters is a finding that does not act on the terminal', async () => {
    const root = join(temporaryDirectory(), 'evidence');
    cpSync(original, root, { recursive: true });
    writeFileSync(join(root, '\u001b[2J\u202e.tmp'), '');
    writeFileSync(join(root, 'x\u009b31m'), '');
    const io = keptIo();
    expect(await verifyVerb.run([root], io)).toBe(1);
    expect(await verifyVerb.run([root, '--json'], io)).toBe(1);
    expect(io.written.stdout).not.toMatch(/\p{Cf}|(?!\n)\p{Cc}/u);
  });
});

describe('entries of a spine that lead elsewhere', () => {
  const opening = (): object => {
    const [key = ''] = readdirSync(join(original, 'keys')).map((name) => name.replace('.pem', ''));
    return { type: 'writer.opened', writer: 'evil', boot: 'b', key, program: '0', previous: [] };
  };
  const entries = (...events: readonly object[]): string =>
    batchLine({ kind: 'writer', id: 'evil' }, 0, NO_BATCH, events.map((event, seq) => JSON.stringify({ ...event, seq })).join(','));
  const withSpine = (text: string): Promise<Verification> => after((root) => writeFileSync(join(root, 'writers', 'evil.log'), `${text}\n`));

  test('without such an entry, a writer that still writes is fine', async () => {
    expect(sound(await withSpine(entries(opening())))).toBe(true);
  });

  test.each<[string, object]>([
    ['a session out of the folder', { type: 'recording.opened', session: '../../../../etc', day: '2026-11-20' }],
    ['a day out of the folder', { type: 'recording.opened', session: 's', day: '../../../../../tmp' }],
    ['a session with NUL', { type: 'recording.opened', session: 's\u0000', day: '2026-11-20' }],
    ['a day with NUL', { type: 'recording.opened', session: 's', day: '\u0000' }],
    ['a session without end', { type: 'recording.opened', session: 's'.repeat(100_000), day: '2026-11-20' }],
    ['a writer out of the folder', { type: 'writer.fenced', writer: '../../x', head: { batch: -1, hash: NO_BATCH } }],
    ['a writer with NUL', { type: 'writer.fenced', writer: '\u0000', head: { batch: -1, hash: NO_BATCH } }],
    ['a checkpoint out of the folder', { type: 'checkpoint.signed', size: 1, day: '../..\u0000', sha256: NO_BATCH }],
    ['an entry of no type', { type: '\u001b[2J' }],
    ['a session that is an inherited name', { type: 'recording.opened', session: '__proto__', day: '2026-11-20' }],
  ])('%s is a finding', async (_, event) => {
    for (const text of [entries(event), entries(opening(), event)]) {
      expect(sound(await withSpine(text))).toBe(false);
    }
  });

  test('are not listed, shown or played either', async () => {
    const root = join(temporaryDirectory(), 'evidence');
    cpSync(original, root, { recursive: true });
    writeFileSync(join(root, 'writers', 'evil.log'), `${entries(opening(), { type: 'recording.opened', session: '..', day: '..' })}\n`);
    const io = keptIo();
    expect(await sessions.run(['--evidence', root, '--json'], io)).toBe(0);
    expect(io.written.stdout.trim().split('\n')).toHaveLength(1);
    await expect(replay.run(['..', '--evidence', root], io)).rejects.toMatchObject({ code: 'session-not-found' });
  });
});

describe('files without end', () => {
  test('a line of a hundred megabytes, and a tail of a terabyte', async () => {
    const started = performance.now();
    const long = await after((root) => writeFileSync(segment(root), Buffer.alloc(100 * 1024 * 1024, 0x61)));
    const sparse = await after((root) => truncateSync(segment(root), 1024 ** 4));
    const spines = await after((root) => truncateSync(spine(root), 1024 ** 4));
    expect([long, sparse, spines].map(sound)).toEqual([false, false, false]);
    expect(performance.now() - started).toBeLessThan(20_000);
  });

  test('leaves, checkpoints, keys and format of a terabyte', async () => {
    for (const path of [
      (root: string) => checkpoint(root, '.leaves'),
      (root: string) => checkpoint(root, '.ckpt'),
      (root: string) => join(root, 'keys', readdirSync(join(root, 'keys'))[0] ?? ''),
      (root: string) => join(root, 'format.json'),
    ]) {
      expect(sound(await after((root) => truncateSync(path(root), 1024 ** 4)))).toBe(false);
    }
  });

  test('fifty million empty leaves', async () => {
    const result = await after((root) => writeFileSync(checkpoint(root, '.leaves'), Buffer.alloc(50 * 1024 * 1024, 0x0a)));
    expect(result.intact).toBe(false);
    expect(result.findingCount).toBeLessThan(100);
  });
});

describe('evidence of another installation', () => {
  test('its recordings, spines or checkpoints among ours are found', async () => {
    const foreign = await installation('w9', 's9');
    const copy =
      (...parts: string[]) =>
      (root: string) =>
        cpSync(join(foreign, ...parts), join(root, ...parts), { recursive: true, force: true });
    for (const part of ['sessions', 'writers', 'checkpoints', 'keys']) {
      const only = await after(copy(part));
      // A key alone signs nothing: without a pin it is only listed.
      expect([part, sound(only)]).toEqual([part, part === 'keys']);
    }
    expect(
      sound(
        await after((root) => {
          for (const part of ['sessions', 'writers', 'keys']) copy(part)(root);
        }),
      ),
    ).toBe(false);
  });

  test('all of it in place of ours is shown by the pinned key and by the kept checkpoint', async () => {
    const foreign = await installation('w1', 's1');
    const kept = readFileSync(checkpoint(original, '.ckpt'), 'utf8');
    const replace = (root: string): void => {
      rmSync(root, { recursive: true });
      cpSync(foreign, root, { recursive: true });
    };
    const { keys } = await after(() => undefined);
    expect(sound(await after(replace))).toBe(true);
    expect(sound(await after(replace, { pinned: keys }))).toBe(false);
    expect(sound(await after(replace, { checkpoint: kept }))).toBe(false);
  });

  test('ours of yesterday in place of today’s is shown by the kept checkpoint', async () => {
    const data = temporaryDirectory();
    const root = join(data, 'evidence');
    await startRecorder(data, 'w1').close();
    const yesterday = join(temporaryDirectory(), 'evidence');
    cpSync(root, yesterday, { recursive: true });
    await startRecorder(data, 'w2').close();
    const names = readdirSync(join(root, 'checkpoints', dayOfCheckpoints(root)))
      .filter((name) => name.endsWith('.ckpt'))
      .sort();
    const kept = readFileSync(join(root, 'checkpoints', dayOfCheckpoints(root), names.at(-1) ?? ''), 'utf8');
    expect(sound(await verifyEvidence(directorySource(yesterday)))).toBe(true);
    const result = await verifyEvidence(directorySource(yesterday), { checkpoint: kept });
    expect([result.intact, result.complete]).toEqual([true, false]);
  });
});

const dayOfCheckpoints = (root: string): string => readdirSync(join(root, 'checkpoints'))[0] ?? '';

test('any bytes in any file end in a verdict, and in none that is sound', async () => {
  const paths = [segment, spine, (root: string) => checkpoint(root, '.ckpt'), (root: string) => checkpoint(root, '.leaves')];
  const junk = fc.oneof(
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    fc.jsonValue().map((value) => Buffer.from(`${JSON.stringify(value)}\n`)),
    fc
      .record({
        batch: fc.integer({ min: -1, max: 3 }),
        prev: fc.constant(NO_BATCH),
        session: fc.string(),
        events: fc.array(fc.jsonValue()),
      })
      .map((line) => Buffer.from(`${JSON.stringify(line)}\n`)),
  );
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: paths.length - 1 }), junk, fc.boolean(), async (which, bytes, appended) => {
      fc.pre(!appended || bytes.length > 0);
      const result = await after((root) => {
        const path = paths[which]?.(root) ?? '';
        writeFileSync(path, appended ? Buffer.concat([readFileSync(path), bytes]) : bytes);
      });
      expect(sound(result)).toBe(false);
    }),
    { numRuns: 60 },
  );
});

test('a folder that is not evidence at all is an error, not a pass', async () => {
  const empty = temporaryDirectory();
  mkdirSync(join(empty, 'x'));
  await expect(verifyVerb.run([empty], keptIo())).rejects.toMatchObject({ code: 'evidence-not-found' });
});
