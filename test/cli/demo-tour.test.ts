import { expect, test } from 'vitest';
import { tour } from '../../cli/demo-tour.ts';

const FACTS = {
  postgres: { host: '127.0.0.1', port: 6432 },
  ssh: { host: '127.0.0.1', port: 2222, hostKey: 'ssh-ed25519 AAAA' },
  api: 'http://127.0.0.1:8080',
  dataDir: undefined,
  seconds: 1,
};

const parts = (text: string): string[] => Array.from(text.matchAll(/^# (\d+)\./gm), ([, number = '']) => number);

test('the tour goes to the host, with the line that pins the gateway', () => {
  const text = tour({ ...FACTS, host: 'openssh' });
  expect(parts(text)).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '9', '10']);
  expect(text).toContain("echo '[127.0.0.1]:2222 ssh-ed25519 AAAA' >$AGENT/known_hosts");
  expect(text).toContain("this machine's own sshd");
  expect(tour({ ...FACTS, host: 'embedded' })).toContain('a small host inside this process');
});

test('without a host, or without a listener for SSH, the tour leaves it out', () => {
  for (const facts of [
    { ...FACTS, host: undefined },
    { ...FACTS, ssh: undefined, host: 'openssh' as const },
  ]) {
    const text = tour(facts);
    expect(parts(text)).toEqual(['1', '2', '3', '4', '5', '6', '7']);
    expect(text).not.toMatch(/sftp|web1|GIT_SSH/);
  }
});
