/** `cold/agent`: from starting the agent's process to its first answer, with a version on disk and a hub that is up. */
import { type BenchRow, benchRow } from './bench-row.ts';
import { device, startServedAgent } from './served-agent.ts';

const RUNS = 5;

export async function run(): Promise<BenchRow[]> {
  const { small, stop } = await startServedAgent();
  const figures: number[] = [];
  try {
    for (let i = 0; i < RUNS; i += 1) {
      await small.fleet.stopAgent(device, 'SIGKILL');
      const started = performance.now();
      await small.fleet.startAgent(device);
      await firstAnswer(() => small.infer(device));
      figures.push(performance.now() - started);
    }
  } finally {
    await stop();
  }
  return [benchRow('cold/agent', 'ms', figures)];
}

async function firstAnswer(ask: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await ask();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}
