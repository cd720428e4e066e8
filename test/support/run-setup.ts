/**
 * Once before the tests of a run: builds the programs, as an installation has them, for all tests that start them as processes
 * (programs.ts), and gives Node a folder for what it compiles. A checkout's hundreds of TypeScript modules would be stripped and
 * compiled anew in each of a thousand processes: half the time of the run.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type InstalledPackage, installPackage } from './installed-package.ts';
import { BINS_VARIABLE } from './programs.ts';

/** Processes that tests start and that are no programs of ours. */
const testPrograms = ['test/support/killed-agent.ts', 'test/support/update-child.ts'];

let compiled: string;
let installed: InstalledPackage;

export async function setup(): Promise<void> {
  compiled = await mkdtemp(join(tmpdir(), 'modelfleet-compiled-'));
  installed = await installPackage(testPrograms);
  process.env['NODE_COMPILE_CACHE'] = compiled;
  process.env[BINS_VARIABLE] = installed.bins;
}

export async function teardown(): Promise<void> {
  await installed.remove();
  // A worker that ends writes there until it has.
  await rm(compiled, { recursive: true, force: true, maxRetries: 50, retryDelay: 100 });
}
