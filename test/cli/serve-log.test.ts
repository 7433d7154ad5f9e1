import { expect, test } from 'vitest';
import { logTo } from '../../cli/serve.ts';
import { keptIo } from '../support/verb-io.ts';

/** What a host may give as its reason to hang up, before anybody knows who it is. */
const SAID = 'error: HostUnavailable: bye\u001b]52;c;cm0gLXJmIC8=\u0007\n2026-11-20T00:00:00.000Z session s_1 approved\u009b2J\u202e';

test('what others said acts on no terminal, and forges no line of the log', () => {
  const io = keptIo({});
  logTo(io, false)(SAID);
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  expect(io.written.stderr).toMatch(/^[^\u0000-\u001f\u007f-\u009f\u202e]+\n$/u);
  logTo(io, true)(SAID);
  // oxlint-disable-next-line no-control-regex -- as above
  expect(io.written.stdout).toMatch(/^[^\u0000-\u001f\u007f-\u009f\u202e]+\n$/u);
});
