/** A parent that starts a runner, prints its process id and then waits, for the test that kills it. */
import { makeLogger } from '../../platform/logger.ts';
import { RunnerProcess } from '../../runner/runner-client.ts';

const runner = await RunnerProcess.start(
  { file: process.argv[2]!, provider: 'cpu' },
  { logger: makeLogger('parent', 'silent') },
);
console.log(runner.pid);
setInterval(() => undefined, 60_000);
