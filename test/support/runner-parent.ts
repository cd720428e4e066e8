/**
 * A parent that starts a runner, prints its process id and then waits, for the test that kills it. With a second argument
 * the runner is by then inside a run, fed with 1, that takes as long as the model does.
 */
import { setTimeout } from 'node:timers/promises';
import { makeLogger } from '../../platform/logger.ts';
import { RunnerProcess } from '../../runner/runner-client.ts';

const runner = await RunnerProcess.start(
  { file: process.argv[2]!, provider: 'cpu' },
  { logger: makeLogger('parent', 'silent') },
);
if (process.argv[3] === 'busy') {
  const data = new Uint8Array(Float32Array.of(1).buffer);
  runner.infer([{ name: 'x', datatype: 'FP32', shape: [1], data }]).catch(() => undefined);
  // Answered after the run: a runner that answers is not in it.
  const answered = await Promise.race([runner.memory(), setTimeout(500, 'busy')]);
  if (answered !== 'busy') throw new Error('the run has ended already');
}
console.log(runner.pid);
if (process.argv[3] === 'brief') {
  // Longer than ONNX Runtime waits before it tells of itself.
  await setTimeout(2_000);
  await runner.close();
  process.exit();
}
setInterval(() => undefined, 60_000);
