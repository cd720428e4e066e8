/** `memory/…`: resident memory of a runner that serves a small model, after it has answered a thousand requests. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeLogger } from '../../platform/logger.ts';
import { RunnerProcess } from '../../runner/runner-client.ts';

import { fp32 } from '../support/serving-slot.ts';
import { type BenchRow, median } from './bench-row.ts';
import { mlpModel } from './mlp-model.ts';

const RUNS = 3;
const REQUESTS = 1_000;
const MIB = 1024 * 1024;

export async function run(): Promise<BenchRow[]> {
  const figures: number[] = [];
  for (let i = 0; i < RUNS; i += 1) figures.push((await residentBytes()) / MIB);
  return [
    {
      name: 'memory/runner',
      unit: 'MiB',
      ours: median(figures),
      against: {},
      ratio: null,
      runs: RUNS,
      min: Math.min(...figures),
      max: Math.max(...figures),
    },
  ];
}

async function residentBytes(): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'modelfleet-bench-'));
  const file = join(folder, 'model.onnx');
  await writeFile(file, mlpModel());
  const logger = makeLogger('bench', 'error');
  const runner = await RunnerProcess.start({ file, provider: 'cpu' }, { logger });
  try {
    const input = fp32('sensors', [1, 8], [1, 2, 3, 4, 5, 6, 7, 8]);
    for (let i = 0; i < REQUESTS; i += 1) await runner.infer([input]);
    return await runner.residentBytes();
  } finally {
    await runner.close();
    await rm(folder, { recursive: true, force: true });
  }
}
