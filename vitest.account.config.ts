// `npm run test:account`: a deployment in a real account, which only reading and refused requests touch. Not part of CI.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: { include: ['test/account/**/*.test.ts'], pool: 'forks', maxWorkers: 1, testTimeout: 60_000, hookTimeout: 60_000 },
});
