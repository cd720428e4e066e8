import { defineConfig } from 'vitest/config';

/** What `npm run test:package` and `npm run test:deb` run: packages, installed as on a machine. They need the network. */
export default defineConfig({
  test: {
    include: ['test/package/**/*.test.ts'],
    setupFiles: 'test/support/timeouts.ts',
    pool: 'forks',
    maxWorkers: 1,
  },
});
