/**
 * `infer/…`: one request through the local API, to the runner and back, against `session.run()` in this process, taken
 * in turns in the same run. Milliseconds; the difference is what isolation and the protocol cost.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { Pool } from 'undici';
import { openLocalApi } from '../../agent/local-api/local-api.ts';
import { fanOutRecorder } from '../../agent/serving/fan-out-recorder.ts';
import { ModelServer } from '../../agent/serving/model-server.ts';
import { ServingMetrics } from '../../agent/serving/serving-metrics.ts';
import { TritonMetrics } from '../../agent/serving/triton-metrics.ts';
import { makeLogger } from '../../platform/logger.ts';
import { systemClock } from '../../platform/system-clock.ts';
import { SessionHost } from '../../runner/session-host.ts';
import { numbersOf } from '../../shared/inference/tensor-values.ts';
import { mnistLike } from '../support/models.ts';
import { fp32, fp32Spec, makeServingSlot } from '../support/serving-slot.ts';
import { type BenchRow, benchRow } from './bench-row.ts';
import { mlpModel } from './mlp-model.ts';

const ROUNDS = 5;
const REQUESTS_PER_ROUND = 1_000;
const WARM_UP_REQUESTS = 300;

interface InferCase {
  readonly name: string;
  readonly onnx: Uint8Array;
  readonly input: ReturnType<typeof fp32>;
  readonly output: ReturnType<typeof fp32Spec>;
}

export async function run(): Promise<BenchRow[]> {
  const readings = Array.from({ length: 8 }, (_, i) => 900 + i * 17.25);
  const pixels = Array.from({ length: 784 }, (_, i) => (i * 7) % 256);
  const cases: readonly InferCase[] = [
    {
      name: 'infer/air-quality',
      onnx: mlpModel(),
      input: fp32('sensors', [1, 8], readings),
      output: fp32Spec('value', [-1, 1]),
    },
    {
      name: 'infer/mnist-like',
      onnx: mnistLike(),
      input: fp32('image', [1, 1, 28, 28], pixels),
      output: fp32Spec('logits', [1, 10]),
    },
  ];
  const rows: BenchRow[] = [];
  for (const one of cases) rows.push(...(await measure(one)));
  return rows;
}

async function measure({ name, onnx, input, output }: InferCase): Promise<BenchRow[]> {
  const folder = await mkdtemp(join(tmpdir(), 'modelfleet-bench-'));
  const logger = makeLogger('bench', 'error');
  const metrics = new Registry();
  const triton = new TritonMetrics();
  const recorder = fanOutRecorder([new ServingMetrics(metrics), triton]);
  const models = new ModelServer({ recorder, clock: systemClock, random: Math.random, logger });
  const api = await openLocalApi({
    models,
    metrics,
    tritonMetrics: triton.registry,
    clock: systemClock,
    port: 0,
    version: '0.0.0',
    logger,
  });
  const pool = new Pool(api.url, { connections: 1 });
  const declared = { ...input, shape: [...input.shape] };
  try {
    const slot = await makeServingSlot({ folder, onnx, inputs: [declared], outputs: [output] });
    await models.serve(slot, 'cpu', { keepStandby: false });
    const host = await SessionHost.load({
      file: join(slot.folder, 'model.onnx'),
      provider: 'cpu',
      threads: 1,
      memoryBytesMax: 2 ** 30,
    });
    const body = JSON.stringify({
      inputs: [{ ...input, data: [...numbersOf(input)] }],
    });
    const ask = async () => {
      const answer = await pool.request({ path: '/v2/models/m/infer', method: 'POST', body });
      const text = await answer.body.text();
      if (answer.statusCode !== 200) throw new Error(text);
    };
    const inProcess = () => host.infer({ inputs: [input] });
    await time(ask, WARM_UP_REQUESTS);
    await time(inProcess, WARM_UP_REQUESTS);
    const ours: number[][] = [];
    const peer: number[][] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      ours.push(await time(ask, REQUESTS_PER_ROUND));
      peer.push(await time(inProcess, REQUESTS_PER_ROUND));
    }
    return [row(`${name} p50`, ours, peer, 0.5), row(`${name} p99`, ours, peer, 0.99)];
  } finally {
    await pool.close();
    await api.close();
    await models.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Milliseconds of each call, ascending. */
async function time(work: () => Promise<unknown>, times: number): Promise<number[]> {
  const taken: number[] = [];
  for (let i = 0; i < times; i += 1) {
    const start = performance.now();
    await work();
    taken.push(performance.now() - start);
  }
  return taken.sort((a, b) => a - b);
}

function row(name: string, ours: readonly number[][], peer: readonly number[][], quantile: number): BenchRow {
  const at = (sorted: readonly number[]) => sorted[Math.ceil(sorted.length * quantile) - 1]!;
  return benchRow(name, 'ms', ours.map(at), { 'session.run()': peer.map(at) });
}
