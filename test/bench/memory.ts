/** `memory/…`: resident memory of an agent, and of a runner that serves a small model, after a thousand requests. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { makeLogger } from '../../platform/logger.ts';
import { RunnerProcess } from '../../runner/runner-client.ts';

import { fp32 } from '../support/serving-slot.ts';
import { type BenchRow, median } from './bench-row.ts';
import { mlpModel } from './mlp-model.ts';
import { device, residentBytes, startServedAgent } from './served-agent.ts';

const RUNS = 3;
const REQUESTS = 1_000;
const SETTLE_MS = 5_000;
const MIB = 1024 * 1024;

export async function run(): Promise<BenchRow[]> {
  const runner: number[] = [];
  const agent: number[] = [];
  for (let i = 0; i < RUNS; i += 1) {
    runner.push((await runnerBytes()) / MIB);
    agent.push((await agentBytes()) / MIB);
  }
  return [row('memory/agent', agent), row('memory/runner', runner)];
}

function row(name: string, figures: readonly number[]): BenchRow {
  const range = { runs: figures.length, min: Math.min(...figures), max: Math.max(...figures) };
  return { name, unit: 'MiB', ours: median(figures), against: {}, ratio: null, ...range };
}

/** The agent's own process, after it has brought in a version and answered as many requests. */
async function agentBytes(): Promise<number> {
  const small = await startServedAgent();
  try {
    await small.fleet.stopAgent(device, 'SIGTERM');
    await small.fleet.startAgent(device);
    for (let i = 0; i < REQUESTS; i += 1) await small.infer(device);
    await setTimeout(SETTLE_MS);
    return await residentBytes(small.fleet.agentPid(device));
  } finally {
    await small.stop();
  }
}

async function runnerBytes(): Promise<number> {
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
