import { defineConfig } from 'vitest/config';
import { SlowestFirst } from './test/support/slowest-first.ts';

/** What `npm test` runs. Soak, fuzz, simulation and bench runs have commands of their own. */
export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // A machine that is five times slower, or has other work, is no failure.
    expect: { poll: { timeout: 15_000 } },
    setupFiles: 'test/support/timeouts.ts',
    pool: 'forks',
    maxWorkers: 3,
    // Modules are loaded once for all files of a worker: to load them anew takes about a second of processor time.
    isolate: false,
    restoreMocks: true,
    unstubEnvs: true,
    sequence: { sequencer: SlowestFirst },
    projects: [
      {
        extends: true,
        test: {
          name: 'processes',
          include: ['test/{contract,integration,faults,fuzz,system}/**/*.test.ts'],
          globalSetup: 'test/support/run-setup.ts',
        },
      },
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
        },
      },
    ],
  },
});
