import { defineConfig } from 'vitest/config';

/** What `npm test` runs. Soak, fuzz, simulation and bench runs have commands of their own. */
export default defineConfig({
  test: {
    include: ['test/{unit,integration,contract,faults,fuzz,system}/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    pool: 'forks',
    maxWorkers: 2,
  },
});
