import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkpointNote, keyFingerprint, parseCheckpoint, signedBy, treeHeadText } from '../../../core/evidence/checkpoint.ts';

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const key = { fingerprint: keyFingerprint(publicKey), key: publicKey };
const head = { origin: 'sallyport/test', size: 42, root: createHash('sha256').update('root').digest() };
const note = checkpointNote(head, key.fingerprint, sign('sha256', Buffer.from(treeHeadText(head)), privateKey));

describe('a checkpoint', () => {
  test('is a signed note: origin, size and root, an empty line, one signature that starts with the hash of the key', () => {
    const [origin, size, root, empty, signature = ''] = note.split('\n');
    expect([origin, size, root, empty]).toEqual(['sallyport/test', '42', head.root.toString('base64'), '']);
    const [dash, name, bytes = ''] = signature.split(' ');
    expect([dash, name]).toEqual(['\u2014', 'sallyport/test']);
    const spki = publicKey.export({ type: 'spki', format: 'der' });
    expect(Buffer.from(bytes, 'base64').subarray(0, 4)).toEqual(createHash('sha256').update(spki).digest().subarray(0, 4));
  });

  test('reads back, and names the key that signed', () => {
    const read = parseCheckpoint(note);
    expect(read).toMatchObject(head);
    expect(read && signedBy(read, [key])).toBe(key);
  });

  test('does not stand with any byte changed', () => {
    const bytes = Buffer.from(note);
    fc.assert(
      fc.property(fc.nat({ max: bytes.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = Buffer.from(bytes);
        changed.writeUInt8(changed.readUInt8(at) ^ flip, at);
        const read = parseCheckpoint(changed.toString('utf8'));
        expect(read && signedBy(read, [key])).toBeUndefined();
      }),
      { numRuns: 500 },
    );
  });

  test('of another key is not trusted', () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const forged = checkpointNote(head, key.fingerprint, sign('sha256', Buffer.from(treeHeadText(head)), other.privateKey));
    const read = parseCheckpoint(forged);
    expect(read).toBeDefined();
    expect(read && signedBy(read, [key])).toBeUndefined();
  });

  test('with extension lines or a second signature is refused', () => {
    const signature = note.split('\n').at(-2) ?? '';
    expect(parseCheckpoint(note.replace('\n\n', '\nmore\n\n'))).toBeUndefined();
    expect(parseCheckpoint(`${note}${signature}\n`)).toBeUndefined();
  });
});
