import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { KeyedDigest } from '../../../proxy-task/postgres/keyed-digest.ts';

const part = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 3000 }), fc.uint8Array({ maxLength: 5000 }));

test('a digest is the HMAC-SHA-256 of its parts, whatever their length and whatever came before', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.array(fc.array(part, { maxLength: 6 }), { maxLength: 4 }), (key, messages) => {
      const digest = new KeyedDigest(key);
      for (const parts of messages) {
        const hmac = createHmac('sha256', key);
        for (const each of parts) hmac.update(each);
        expect(digest.hex(parts)).toBe(hmac.digest('hex'));
      }
    }),
  );
});

test('a key that HMAC would hash first is not taken', () => {
  expect(() => new KeyedDigest(new Uint8Array(65))).toThrow('more than one block');
});
