// `npm run test:browser`: pages in a real Chromium. They fail without one.
import { defineConfig } from 'vitest/config';

const report = process.env['SALLYPORT_TEST_REPORT'];

export default defineConfig({
  test: {
    include: ['test/browser/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 1,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    ...(report === undefined ? {} : { reporters: ['default', 'json'], outputFile: { json: report } }),
  },
});
