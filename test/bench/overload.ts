/**
 * `infer/overload`: goodput (answers a second) of the small model as ever more connections ask at once, each again as soon
 * as it has its answer, and at twice the peak in an open loop, against the peak of the same run. The load generator and the
 * runner are processes of their own; `memory` is the most this process, which serves, held meanwhile.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLocalApi } from '../../agent/serving/local-api.ts';
import { ModelServer } from '../../agent/serving/model-server.ts';
import { ServingMetrics } from '../../agent/serving/serving-metrics.ts';
import { makeLogger } from '../../platform/logger.ts';
import { systemClock } from '../../platform/system-clock.ts';
import { fp32Spec, makeServingSlot } from '../support/serving-slot.ts';
import { type BenchRow, benchRow } from './bench-row.ts';
import { type Load, runLoad } from './http-load.ts';
import { mlpModel } from './mlp-model.ts';

const RUNS = 3;
const SECONDS = 3;
const PEAK_CONNECTIONS = 64;
const CROWDS = [256, 400, 512] as const;
/** An open loop wants a connection for each request that is under way. */
const OPEN_CONNECTIONS = 1_000;
const MB = 1_000_000;

export async function run(): Promise<BenchRow[]> {
  const folder = await mkdtemp(join(tmpdir(), 'modelfleet-bench-'));
  const logger = makeLogger('bench', 'error');
  const metrics = new ServingMetrics();
  const models = new ModelServer({ recorder: metrics, clock: systemClock, random: Math.random, logger });
  const api = await openLocalApi({
    models,
    metrics,
    clock: systemClock,
    port: 0,
    version: '0.0.0',
    logger,
  });
  try {
    const inputs = [fp32Spec('sensors', [-1, 8])];
    const slot = await makeServingSlot({
      folder,
      onnx: mlpModel(),
      inputs,
      outputs: [fp32Spec('value', [-1, 1])],
    });
    await models.serve(slot, 'cpu', { keepStandby: false });
    return await measure(api.port);
  } finally {
    await api.close();
    await models.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function measure(port: number): Promise<BenchRow[]> {
  const data = Array.from({ length: 8 }, (_, i) => 900 + i * 17.25);
  const body = JSON.stringify({ inputs: [{ name: 'sensors', shape: [1, 8], datatype: 'FP32', data }] });
  const load = (props: Pick<Load, 'connections' | 'rate'>) =>
    runLoad({ port, path: '/v2/models/m/infer', body, seconds: SECONDS, ...props });
  await load({ connections: PEAK_CONNECTIONS });
  const before = process.memoryUsage.rss();
  const peaks: number[] = [];
  const crowds = CROWDS.map((connections) => ({ connections, goodputs: [] as number[] }));
  const open: number[] = [];
  const held: number[] = [];
  for (let i = 0; i < RUNS; i += 1) {
    const peak = (await load({ connections: PEAK_CONNECTIONS })).goodput;
    peaks.push(peak);
    for (const { connections, goodputs } of crowds) goodputs.push((await load({ connections })).goodput);
    open.push((await load({ connections: OPEN_CONNECTIONS, rate: 2 * peak })).goodput);
    held.push(process.memoryUsage.rss() / MB);
  }
  const against = { [`${PEAK_CONNECTIONS} connections`]: peaks };
  return [
    ...crowds.map(({ connections, goodputs }) =>
      benchRow(`infer/overload ${connections}`, 'requests/s', goodputs, against),
    ),
    benchRow('infer/overload open 2×', 'requests/s', open, against),
    benchRow('infer/overload memory', 'MB', held, { before: [before / MB] }),
  ];
}
