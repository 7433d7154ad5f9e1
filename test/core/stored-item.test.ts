import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeStored, encodeStored } from '../../core/state/stored-item.ts';

test('what is stored comes back as it was', () => {
  fc.assert(
    fc.property(fc.string(), fc.integer({ min: 1 }), fc.jsonValue(), (id, v, value) => {
      expect(decodeStored(encodeStored(id, v, value, 10))).toEqual({ id, v, body: JSON.parse(JSON.stringify(value)) });
    }),
  );
});

test.each([
  ['without a version', { id: { S: 'a' }, body: { S: '{}' } }],
  ['with a version that is no number', { id: { S: 'a' }, v: { N: 'x' }, body: { S: '{}' } }],
  ['with a version below the first', { id: { S: 'a' }, v: { N: '0' }, body: { S: '{}' } }],
  ['with a body that is no JSON', { id: { S: 'a' }, v: { N: '1' }, body: { S: '{' } }],
  ['with a body of another type', { id: { S: 'a' }, v: { N: '1' }, body: { B: 'e30=' } }],
  ['of nothing', {}],
])('an item %s is none of ours', (_what, item) => {
  expect(decodeStored(item)).toBeUndefined();
});
