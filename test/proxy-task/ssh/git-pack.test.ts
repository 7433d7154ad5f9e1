import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GitPackCommits, isProvenDescendant } from '../../../proxy-task/ssh/git-pack-commits.ts';
import { MalformedMessage } from '../../../proxy-task/ssh/messages/malformed-message.ts';
import { applyDelta } from '../../../proxy-task/ssh/messages/pack-delta.ts';
import { readPackEntry } from '../../../proxy-task/ssh/messages/pack-entry.ts';
import { readPktLine, writePktLine } from '../../../proxy-task/ssh/messages/pkt-line.ts';
import { commit, deltaOf, entryBytes, entryOf, header, history, object, offset, packOf, type Entry, type PackObject } from './git-packs.ts';

const FROM = 'f'.repeat(40);

function commitsOf(pack: Buffer, format: 'sha1' | 'sha256' = 'sha1'): GitPackCommits {
  const commits = new GitPackCommits(format);
  commits.read(pack);
  return commits;
}

function proves(commits: GitPackCommits, to: string, from = FROM): boolean {
  return isProvenDescendant(commits, to, from, { left: 100_000 });
}

function refDelta(base: PackObject, extra: string): { readonly entry: Entry; readonly id: string } {
  const { delta, content } = deltaOf(base, extra);
  return {
    entry: { type: 7, size: delta.length, prefix: Buffer.from(base.id, 'hex'), data: deflateSync(delta) },
    id: object('commit', content).id,
  };
}

describe('a pkt-line', () => {
  test('is read back as it was written, whatever follows', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 20 }), (payload, rest) => {
        const written = writePktLine(payload);
        const line = readPktLine(Buffer.concat([written, rest]), 0);
        expect(line).toMatchObject({ kind: 'data', end: written.length });
        expect(line?.kind === 'data' && line.payload.equals(payload)).toBe(true);
      }),
    );
  });

  test.each(['0003', 'fff1', 'ffff', '00g0', '-001', ' 001', '0x10', '\0\0\0\0', 'PACK'])('that begins with %j is malformed', (digits) => {
    expect(() => readPktLine(Buffer.from(`${digits}${'x'.repeat(100)}`), 0)).toThrow(MalformedMessage);
  });

  test.each([
    ['0000', 'flush'],
    ['0001', 'delim'],
    ['0002', 'responseEnd'],
  ])('%s is %s', (digits, kind) => expect(readPktLine(Buffer.from(digits), 0)).toEqual({ kind, end: 4 }));

  test('that is cut is not there yet', () => {
    const written = writePktLine('want it');
    for (let cut = 0; cut < written.length; cut += 1) expect(readPktLine(written.subarray(0, cut), 0)).toBeUndefined();
  });
});

describe('the header of an object', () => {
  test('is read back for every size and distance, and not before it is whole', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 40 }), fc.integer({ min: 1, max: 2 ** 40 }), (size, back) => {
        const bytes = entryBytes({ type: 6, size, prefix: offset(back), data: Buffer.alloc(0) });
        expect(readPackEntry(bytes, 0, 20)).toEqual({ kind: 'offsetDelta', back, size, end: bytes.length });
        for (let cut = 0; cut < bytes.length; cut += 1) expect(readPackEntry(bytes.subarray(0, cut), 0, 20)).toBeUndefined();
      }),
    );
  });

  test.each([0, 5])('of kind %d is malformed', (type) => {
    expect(() => readPackEntry(Buffer.of(type << 4), 0, 20)).toThrow(MalformedMessage);
  });

  test('with a size without end is malformed', () => {
    expect(() => readPackEntry(Buffer.alloc(40, 0x90), 0, 20)).toThrow(MalformedMessage);
    expect(() => readPackEntry(Buffer.concat([Buffer.of(0x60), Buffer.alloc(40, 0xff)]), 0, 20)).toThrow(MalformedMessage);
  });
});

describe('a delta', () => {
  const base = object('commit', 'x'.repeat(500));

  test('makes the object that it was made of', () => {
    const { delta, content } = deltaOf(base, 'more');
    expect(applyDelta(base.content, delta, 10_000)).toEqual(content);
  });

  test.each<[string, Buffer]>([
    ['of another base', deltaOf(object('commit', 'y'), 'z').delta],
    ['that makes too much', Buffer.from([0xf4, 3, 0xff, 0xff, 0xff, 0x7f, 1, 0x61])],
    ['that copies from behind the end', Buffer.from([0xf4, 3, 4, 0x93, 0xff, 1, 4])],
    ['that makes more than it says', Buffer.from([0xf4, 3, 1, 2, 0x61, 0x61])],
    ['that makes less than it says', Buffer.from([0xf4, 3, 2, 1, 0x61])],
    ['with the reserved instruction', Buffer.from([0xf4, 3, 1, 0, 1, 0x61])],
    ['that ends in an instruction', Buffer.from([0xf4, 3, 1, 0x91])],
    ['of nothing', Buffer.alloc(0)],
  ])('%s is malformed', (_, delta) => expect(() => applyDelta(base.content, delta, 10_000)).toThrow(MalformedMessage));

  test('of any bytes is malformed or within its bounds', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          expect(applyDelta(base.content, Buffer.concat([Buffer.from([0xf4, 3]), bytes]), 1_000).length).toBeLessThanOrEqual(1_000);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedMessage);
        }
      }),
    );
  });
});

describe('a pack proves that a commit descends from another', () => {
  const line = history(FROM, 5);
  const tip = line[0]?.id ?? '';

  test('by a line of commits, and is complete then', () => {
    const commits = commitsOf(packOf(line));
    expect(commits.state).toBe('complete');
    expect(proves(commits, tip)).toBe(true);
  });

  test('before its trees have come', () => {
    const pack = packOf([...line, object('tree', ''), object('blob', 'x')]);
    const commits = commitsOf(pack.subarray(0, pack.length - 30));
    expect(commits.state).toBe('stopped');
    expect(proves(commits, tip)).toBe(true);
  });

  test('through any parent of a merge', () => {
    const merge = commit(['1'.repeat(40), '2'.repeat(40), FROM], 'three at once');
    expect(proves(commitsOf(packOf([merge])), merge.id)).toBe(true);
  });

  test('with commits that are deltas, by id and by distance', () => {
    const first = commit([FROM], 'first');
    const byId = refDelta(first, 'more');
    const { delta, content } = deltaOf(first, 'other');
    const start = header(2).length;
    const byDistance: Entry = { type: 6, size: delta.length, prefix: offset(entryBytes(entryOf(first)).length), data: deflateSync(delta) };
    expect(start).toBe(12);
    expect(proves(commitsOf(packOf([first, byId.entry])), byId.id)).toBe(true);
    expect(proves(commitsOf(packOf([first, byDistance])), object('commit', content).id)).toBe(true);
  });

  test('in a repository of SHA-256', () => {
    const from = 'f'.repeat(64);
    const next = commit([from], 'one', 'sha256');
    const commits = commitsOf(packOf([next], 'sha256'), 'sha256');
    expect(commits.state).toBe('complete');
    expect(proves(commits, next.id, from)).toBe(true);
  });

  test('for the same commit without any', () => expect(proves(commitsOf(packOf([])), FROM)).toBe(true));

  test('the same for any way in which its bytes come', () => {
    const pack = packOf([...line, refDelta(line[4] ?? commit([], ''), 'x').entry, object('tree', '')]);
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(pack.length), { maxLength: 30 }), (cuts) => {
        const commits = new GitPackCommits('sha1');
        for (const cut of [...cuts.sort((a, b) => a - b), pack.length]) commits.read(pack.subarray(0, cut));
        expect(commits.state).toBe('stopped');
        expect(proves(commits, tip)).toBe(true);
      }),
    );
  });
});

describe('a pack proves nothing', () => {
  const line = history(FROM, 3);
  const [tip, middle, oldest] = line;
  if (tip === undefined || middle === undefined || oldest === undefined) throw new Error('no line');

  test.each<[string, Buffer]>([
    ['with a commit of the line missing', packOf([tip, oldest])],
    ['with the line behind its trees', packOf([object('tree', ''), ...line])],
    ['without its tip', packOf([middle, oldest])],
    ['that holds nothing', packOf([])],
    ['of another version', Buffer.concat([header(3, 4), ...line.map((item) => entryBytes(entryOf(item)))])],
    ['that is none', Buffer.from('0032want something else')],
    ['with a commit that claims another size', packOf([{ ...entryOf(tip), size: tip.content.length - 1 }, middle, oldest])],
    ['with data that are not compressed', packOf([{ ...entryOf(tip), data: tip.content }, middle, oldest])],
    ['with a parent in its message', packOf([commit([], `x\nparent ${FROM}\n`)])],
    ['with a tag that names a parent', packOf([object('tag', `tree ${'1'.repeat(40)}\nparent ${FROM}\n`)])],
  ])('%s', (_, pack) => {
    const ids = [tip.id, commit([], `x\nparent ${FROM}\n`).id, object('tag', `tree ${'1'.repeat(40)}\nparent ${FROM}\n`).id];
    for (const id of ids) expect(proves(commitsOf(pack), id)).toBe(false);
  });

  test('with a delta whose base is on the host', () => {
    const delta = refDelta(tip, 'more');
    const commits = commitsOf(packOf([delta.entry, ...line]));
    expect(commits.state).toBe('stopped');
    expect(proves(commits, delta.id)).toBe(false);
  });

  test('with a commit that inflates beyond what is read, in the announced size or more', () => {
    const bomb = object('commit', Buffer.alloc(4 * 1024 * 1024, 'x'));
    const honest = commitsOf(packOf([bomb, ...line]));
    const lying = commitsOf(packOf([{ ...entryOf(bomb), size: 100 }, ...line]));
    expect([honest.state, lying.state]).toEqual(['stopped', 'stopped']);
  });

  test('with more commits than are read', () => {
    const many = history(FROM, 10_001);
    const commits = commitsOf(packOf(many));
    expect(commits.state).toBe('stopped');
    expect(proves(commits, many[0]?.id ?? '')).toBe(false);
  });

  test('with data that go on without end and without content', () => {
    const { pack } = endless();
    const commits = new GitPackCommits('sha1');
    for (let cut = 0; cut < pack.length; cut += 100) commits.read(pack.subarray(0, cut));
    expect(commits.state).toBe('stopped');
  });

  test('where packets of one byte make each object be tried too often', () => {
    // What cannot be compressed is inflated anew with each byte that comes.
    const noise = Buffer.alloc(200_000);
    let seed = 1;
    for (let at = 0; at < noise.length; at += 1) {
      seed = (seed * 48_271) % 0x7fffffff;
      noise[at] = seed >> 8;
    }
    const pack = packOf([object('commit', noise), ...line]);
    const commits = new GitPackCommits('sha1');
    for (let cut = 0; cut < 5_000; cut += 1) commits.read(pack.subarray(0, 12 + cut));
    expect(commits.state).toBe('stopped');
  });

  test('where the steps are used up', () => {
    expect(isProvenDescendant(commitsOf(packOf(line)), tip.id, FROM, { left: 2 })).toBe(false);
  });

  test('in any bytes, and throws nothing', () => {
    const pack = packOf([...line, object('tree', '')]);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(pack.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }), (changes) => {
        const broken = Buffer.from(pack);
        for (const [at, byte] of changes) broken[at] = byte;
        const commits = commitsOf(broken);
        // A commit that is still found is the same commit.
        for (const { id } of line) expect(commits.parentsOf(id) ?? []).toEqual(commits.parentsOf(id) === undefined ? [] : [parentOf(id)]);
      }),
      { numRuns: 300 },
    );
  });

  /** Stored blocks of deflate that hold nothing. */
  function endless(): { readonly pack: Buffer } {
    const blocks = Buffer.alloc(200_000, Buffer.from([0x00, 0x00, 0x00, 0xff, 0xff]));
    return {
      pack: Buffer.concat([header(1), entryBytes({ type: 1, size: 300, data: Buffer.concat([Buffer.from([0x78, 0x01]), blocks]) })]),
    };
  }

  function parentOf(id: string): string {
    const at = line.findIndex((item) => item.id === id);
    return line[at + 1]?.id ?? FROM;
  }
});
