import { configDefaults, defineConfig } from 'vitest/config';

// A machine that counts the tests names a file for them; people see the same run as ever.
const report = process.env['SALLYPORT_TEST_REPORT'];

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // These need programs beside Node, or take long (`npm run test:clients`, `test:ssh`, `test:browser`, `test:aws`), or an account.
    exclude: [
      ...configDefaults.exclude,
      'test/browser/**',
      'test/clients/**',
      'test/drills/**',
      'test/ssh/**',
      'test/aws/**',
      'test/account/**',
    ],
    // A process per file: wire suites start PostgreSQL, and a crash ends no other suite.
    pool: 'forks',
    // Suites share two cores with the databases that they start.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    ...(report === undefined ? {} : { reporters: ['default', 'json'], outputFile: { json: report } }),
  },
});
