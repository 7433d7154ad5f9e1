// `npm run test:major -- 18`: end-to-end suites against another major version of PostgreSQL.
import { defineConfig } from 'vitest/config';

const report = process.env['SALLYPORT_TEST_REPORT'];

export default defineConfig({
  test: {
    include: [
      'test/e2e/{session,prepared,max-rows,large-results,wire-pipeline,wire-names,attack-masking,attack-judging}.test.ts',
      'test/e2e/clients/*.test.ts',
      'test/core/statement/sql/lineage-postgres.test.ts',
    ],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    ...(report === undefined ? {} : { reporters: ['default', 'json'], outputFile: { json: report } }),
  },
});
