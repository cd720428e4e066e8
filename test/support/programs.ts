/** The programs that tests start as processes: those built for this run of the tests (run-setup.ts), else this checkout's. */
import { join } from 'node:path';

export const BINS_VARIABLE = 'MODELFLEET_TEST_BINS';

const root = join(import.meta.dirname, '../..');
const built = process.env[BINS_VARIABLE];

/** Folder of `modelfleet`, `modelfleet-hub` and `modelfleet-agent`. */
export const bins = built ?? join(root, 'bin');

/** The file that Node runs for a program, such as `hub/main`. */
export function programEntry(program: string): string {
  return built === undefined ? join(root, `${program}.ts`) : join(built, '../dist', `${program}.js`);
}
