import { expect, test } from 'vitest';
import { endpointOf } from '../../../proxy-task/ssh/forward.ts';

test.each([
  ['DB.internal.', 'db.internal:80'],
  ['127.0.0.1', '127.0.0.1:80'],
  ['localhost', 'localhost:80'],
  ['2e.example', '2e.example:80'],
  ['::1', '[::1]:80'],
  ['0:0:0:0:0:0:0:1', '[::1]:80'],
  ['FE80:0::00AB', '[fe80::ab]:80'],
  ['::ffff:127.0.0.1', '127.0.0.1:80'],
  ['::FFFF:7f00:1', '127.0.0.1:80'],
])('%s is one place, by one name: %s', (destIP, endpoint) => {
  expect(endpointOf({ destIP, destPort: 80 })).toBe(endpoint);
});

test.each([
  '2130706433',
  '127.1',
  '0x7f.0.0.1',
  '0x7F000001',
  '0177.0.0.1',
  '127.0.0.01',
  '127.0.0.1.0x1',
  '256.0.0.1',
  '1.2.3.4.5',
  'db.0x',
  'fe80::1%eth0',
  ':::',
  '',
  '.',
  '-x',
  'a b',
  'a\0b',
  'täst',
  '/run/docker.sock',
])('%j is none: addresses have other spellings that rules would not know', (destIP) => {
  expect(endpointOf({ destIP, destPort: 80 })).toBeUndefined();
});

test.each([0, -1, 65_536, 1.5, 4_294_967_295])('port %d is none', (destPort) => {
  expect(endpointOf({ destIP: 'db', destPort })).toBeUndefined();
});
