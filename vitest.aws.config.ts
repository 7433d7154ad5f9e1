// `npm run test:aws`: AWS adapters and the whole story, against emulators that the run starts itself.
import { defineConfig } from 'vitest/config';

const report = process.env['SALLYPORT_TEST_REPORT'];

export default defineConfig({
  test: {
    include: ['test/aws/**/*.test.ts'],
    globalSetup: ['test/aws/support/moto-server.ts'],
    // A process per file, one at a time: each empties the emulator before it starts.
    pool: 'forks',
    maxWorkers: 1,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    ...(report === undefined ? {} : { reporters: ['default', 'json'], outputFile: { json: report } }),
  },
});
