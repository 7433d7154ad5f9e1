import { BlockList, isIP } from 'node:net';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { comesFrom, parseRange } from '../../../core/ssh/address-range.ts';

test.each([
  ['10.1.2.3', '10.1.2.3', true],
  ['::ffff:10.1.2.3', '10.1.2.0/24', true],
  ['10.1.2.4', '10.1.2.3', false],
  ['10.1.2.4', '0.0.0.0/0', true],
  ['2001:db8::5', '2001:db8::/32', true],
  ['2001:db9::5', '2001:db8::/32', false],
  ['2001:db8::1.2.3.4', '2001:db8::102:304', true],
  ['10.1.2.3', '::/0', false],
  ['10.1.2.3', '10.0.0.0/33', false],
  ['10.1.2.3', '10.0.0.0/8/8', false],
  ['10.1.2.3', '10.0.0.0/', false],
  ['10.1.2.3', '!10.0.0.0/8', false],
  ['10.1.2.3', '10.*', false],
  ['10.1.2.3', '010.1.2.3', false],
  ['', '0.0.0.0/0', false],
])('%s is in %s: %s', (address, range, expected) => {
  expect(comesFrom(address, [range])).toBe(expected);
});

test('a list with anything that is no range holds nobody', () => {
  expect(comesFrom('10.1.2.3', ['10.0.0.0/8'])).toBe(true);
  expect(comesFrom('10.1.2.3', ['10.0.0.0/8', 'everywhere'])).toBe(false);
  expect(comesFrom('10.1.2.3', [])).toBe(false);
});

const address = fc.oneof(fc.ipV4(), fc.ipV6());

test('addresses are read as the operating system reads them', () => {
  const written = fc.oneof(address, fc.string({ unit: fc.constantFrom(...'0123456789abf:.'.split('')), maxLength: 24 }));
  fc.assert(
    fc.property(written, (text) => {
      expect(parseRange(text)?.bits).toBe({ 4: 32, 6: 128 }[isIP(text)]);
    }),
    { numRuns: 2_000 },
  );
});

test('an address is in a range where the operating system says so', () => {
  fc.assert(
    fc.property(address, address, fc.nat({ max: 128 }), (network, from, length) => {
      const family = isIP(network) === 6 ? 'ipv6' : 'ipv4';
      const prefix = family === 'ipv6' ? length : Math.floor(length / 4);
      const list = new BlockList();
      list.addSubnet(network, prefix, family);
      // Node takes IPv4 for IPv6 too; a certificate means one of them.
      fc.pre(isIP(from) === isIP(network) && !from.toLowerCase().startsWith('::ffff:'));
      expect(comesFrom(from, [`${network}/${prefix}`])).toBe(list.check(from, isIP(from) === 6 ? 'ipv6' : 'ipv4'));
    }),
    { numRuns: 2_000 },
  );
});
