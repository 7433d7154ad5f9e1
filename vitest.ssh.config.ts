// `npm run test:ssh`: suites that start OpenSSH, rsync, git or paramiko. They fail without them.
import { defineConfig } from 'vitest/config';

const report = process.env['SALLYPORT_TEST_REPORT'];

export default defineConfig({
  test: {
    include: ['test/ssh/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 1,
    testTimeout: 120_000,
    hookTimeout: 60_000,
    ...(report === undefined ? {} : { reporters: ['default', 'json'], outputFile: { json: report } }),
  },
});
