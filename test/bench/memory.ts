/**
 * `memory/…`, in MB (10⁶ bytes): resident memory of an agent as it is installed, which has brought in a version and
 * answered a thousand requests with it, and of the runner process, installed too, that serves a small model. `private` is the part
 * that is the agent's own; the rest (some 55 MB) are pages of files, nearly all of Node itself, which hub, runners and
 * agents on one machine have once together. `peak` is the most it ever was, the download included.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { makeLogger } from '../../platform/logger.ts';
import { RunnerProcess } from '../../runner/runner-client.ts';
import { installPackage } from '../support/installed-package.ts';
import { fp32 } from '../support/serving-slot.ts';
import { type BenchRow, benchRow } from './bench-row.ts';
import { mlpModel } from './mlp-model.ts';
import { device, type ResidentMemory, residentMemory, startServedAgent } from './served-agent.ts';

const RUNS = 3;
const REQUESTS = 1_000;
const SETTLE_MS = 5_000;
const MB = 1_000_000;

export async function run(): Promise<BenchRow[]> {
  const runner: number[] = [];
  const agent: ResidentMemory[] = [];
  for (let i = 0; i < RUNS; i += 1) {
    runner.push((await runnerBytes()) / MB);
    agent.push(await agentMemory());
  }
  const ofAgent = (key: keyof ResidentMemory) => agent.map((memory) => memory[key] / MB);
  return [
    benchRow('memory/agent', 'MB', ofAgent('VmRSS')),
    benchRow('memory/agent private', 'MB', ofAgent('RssAnon')),
    benchRow('memory/agent peak', 'MB', ofAgent('VmHWM')),
    benchRow('memory/runner', 'MB', runner),
  ];
}

async function agentMemory(): Promise<ResidentMemory> {
  const { small, stop } = await startServedAgent();
  try {
    for (let i = 0; i < REQUESTS; i += 1) await small.infer(device);
    await setTimeout(SETTLE_MS);
    return await residentMemory(small.fleet.agentPid(device));
  } finally {
    await stop();
  }
}

async function runnerBytes(): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'modelfleet-bench-'));
  const file = join(folder, 'model.onnx');
  await writeFile(file, mlpModel());
  const logger = makeLogger('bench', 'error');
  const installed = await installPackage();
  const entry = join(installed.bins, '../dist/runner/main.js');
  const runner = await RunnerProcess.start({ file, provider: 'cpu', entry }, { logger });
  try {
    const input = fp32('sensors', [1, 8], [1, 2, 3, 4, 5, 6, 7, 8]);
    for (let i = 0; i < REQUESTS; i += 1) await runner.infer([input]);
    return (await runner.memory()).residentBytes;
  } finally {
    await runner.close();
    await installed.remove();
    await rm(folder, { recursive: true, force: true });
  }
}
