/** Before the tests of each file: `vi.waitFor` waits as long as `expect.poll` does (vitest.config.ts), not for one second. */
import { vi } from 'vitest';

const POLL_MS_MAX = 15_000;
const { waitFor } = vi;

vi.waitFor = (look, options = {}) =>
  waitFor(look, { timeout: POLL_MS_MAX, ...(typeof options === 'number' ? { timeout: options } : options) });
