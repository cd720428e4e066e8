/** What a runner may take, and what it may send. */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { makeLogger } from '../../../platform/logger.ts';
import { RunnerProcess } from '../../../runner/runner-client.ts';
import { limits } from '../../../shared/base/limits.ts';
import type { Tensor } from '../../../shared/inference/tensor.ts';
import { addModel, greedyModel, zerosModel } from '../../support/models.ts';
import { fp32 } from '../../support/serving-slot.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const MIB = 1024 * 1024;
const logger = makeLogger('test', 'silent');

async function start(onnx: Uint8Array, memoryBytesMax?: number, threads = 1): Promise<RunnerProcess> {
  const file = join(await tempFolder(), 'model.onnx');
  await writeFile(file, onnx);
  const options = { file, provider: 'cpu', threads, ...(memoryBytesMax && { memoryBytesMax }) };
  const runner = await RunnerProcess.start(options, { logger });
  onTestFinished(() => runner.close());
  return runner;
}

const count = (zeros: number): Tensor => ({
  name: 'count',
  datatype: 'INT64',
  shape: [1],
  data: new Uint8Array(BigInt64Array.of(BigInt(zeros)).buffer),
});

describe.skipIf(process.platform !== 'linux')('the memory of a runner', () => {
  it('does not pass its limit while a small file unfolds into a large constant', async () => {
    // Once there is space for the constant, but not for the copy that the runtime makes of it; once for neither, and
    // then the runtime leaves it to the run.
    await expect(start(greedyModel({ bytes: 100 * MIB, from: 'loading' }), 256 * MIB)).rejects.toMatchObject({
      code: 'runner_out_of_memory',
      message: expect.stringMatching(/Cannot load "model.onnx" .* 256\.0 MiB/),
    });
    const runner = await start(greedyModel({ bytes: 600 * MIB, from: 'loading' }), 256 * MIB);
    await expect(runner.infer([fp32('x', [1, 2], [1, 2])])).rejects.toMatchObject({
      code: 'runner_out_of_memory',
    });
    expect((await runner.memory()).peakBytes).toBeLessThan(256 * MIB);
  });

  it('does not pass its limit in a run, and the runner answers the next request', async () => {
    const runner = await start(zerosModel(), 256 * MIB);
    await expect(runner.infer([count((1024 * MIB) / 4)])).rejects.toMatchObject({
      code: 'runner_out_of_memory',
    });
    expect((await runner.infer([count(3)])).outputs[0]).toMatchObject({ shape: [3] });
    expect((await runner.memory()).peakBytes).toBeLessThan(256 * MIB);
  });

  it('is half of the machine’s at most when nobody says otherwise', async () => {
    const runner = await start(addModel());
    const set = /^Max data size\s+(\d+)/m.exec(readFileSync(`/proc/${runner.pid}/limits`, 'utf8'));
    const total = Number(/^MemTotal:\s+(\d+) kB/m.exec(readFileSync('/proc/meminfo', 'utf8'))![1]) * 1024;
    expect(Number(set![1])).toBeLessThanOrEqual(
      total / 2 + limits.runnerReservedBytes + limits.threadStackBytes + 1024,
    );
  });

  it('has space for a small model at its least, with one thread and with many', async () => {
    for (const threads of [1, 64]) {
      const runner = await start(addModel(), limits.runnerMemoryBytesMin, threads);
      const sum = await runner.infer([fp32('a', [1, 1], [1]), fp32('b', [1, 1], [2])]);
      expect(sum.outputs).toHaveLength(1);
    }
  });

  it('is told with its peak, which no parent’s memory has part in', async () => {
    const ballast = Buffer.alloc(300 * MIB, 1);
    const runner = await start(addModel());
    expect((await runner.memory()).peakBytes).toBeLessThan(200 * MIB);
    expect(ballast[0]).toBe(1);
  });
});

describe('an answer', () => {
  it('larger than answers may be ends in the runner, which works on', async () => {
    const runner = await start(zerosModel());
    const most = limits.inferAnswerBytesMax / 4;
    await expect(runner.infer([count(most + 1)])).rejects.toMatchObject({
      code: 'answer_too_large',
      message: expect.stringMatching(/output "y" \[16777217\].* 64\.0 MiB are allowed/),
    });
    expect((await runner.infer([count(most)])).outputs[0]!.data).toHaveLength(limits.inferAnswerBytesMax);
  });
});
