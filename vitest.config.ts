import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // A process per file: wire suites start PostgreSQL, and a crash ends no other suite.
    pool: 'forks',
    // Suites share two cores with the databases that they start.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
