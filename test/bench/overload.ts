/**
 * `infer/overload`: goodput (answers a second) of an installed agent as ever more connections ask at once, each again as
 * soon as it has its answer, and at twice the peak in an open loop, against the peak of the same run; and what a bare HTTP
 * server makes of the same crowds, against its own peak. Agent, runner and load generator are processes of their own and
 * share the cores; `memory` is the most the agent ever held.
 */
import { model } from '../support/small-fleet.ts';
import { startBareHttp } from './bare-http.ts';
import { type BenchRow, benchRow } from './bench-row.ts';
import { type Load, runLoad } from './http-load.ts';
import { device, residentMemory, startServedAgent } from './served-agent.ts';

const RUNS = 3;
const SECONDS = 3;
const PEAK_CONNECTIONS = 64;
const CROWDS = [256, 400, 512] as const;
/** An open loop wants a connection for each request that is under way. */
const OPEN_CONNECTIONS = 1_000;
const MB = 1_000_000;

export async function run(): Promise<BenchRow[]> {
  const { small, stop } = await startServedAgent();
  try {
    const { port } = new URL(small.fleet.agentUrl(device));
    const pid = small.fleet.agentPid(device);
    const before = (await residentMemory(pid)).VmRSS;
    const rows = await measure('infer/overload', Number(port));
    const held = [(await residentMemory(pid)).VmHWM / MB];
    const memory = benchRow('infer/overload memory', 'MB', held, { 'before it': [before / MB] });
    return [...rows, memory, ...(await measureBare())];
  } finally {
    await stop();
  }
}

async function measureBare(): Promise<BenchRow[]> {
  const bare = await startBareHttp();
  try {
    return await measure('bare HTTP', bare.port);
  } finally {
    bare.stop();
  }
}

async function measure(name: string, port: number): Promise<BenchRow[]> {
  const body = JSON.stringify({ inputs: [{ name: 'x', shape: [1, 2], datatype: 'FP32', data: [1, 2] }] });
  const load = (props: Pick<Load, 'connections' | 'rate'>) =>
    runLoad({ port, path: `/v2/models/${model}/infer`, body, seconds: SECONDS, ...props });
  await load({ connections: PEAK_CONNECTIONS });
  const peaks: number[] = [];
  const crowds = CROWDS.map((connections) => ({ connections, goodputs: [] as number[] }));
  const open: number[] = [];
  for (let i = 0; i < RUNS; i += 1) {
    const peak = (await load({ connections: PEAK_CONNECTIONS })).goodput;
    peaks.push(peak);
    for (const { connections, goodputs } of crowds) goodputs.push((await load({ connections })).goodput);
    open.push((await load({ connections: OPEN_CONNECTIONS, rate: 2 * peak })).goodput);
  }
  const against = { [`${PEAK_CONNECTIONS} connections`]: peaks };
  return [
    ...crowds.map(({ connections, goodputs }) =>
      benchRow(`${name} ${connections}`, 'requests/s', goodputs, against),
    ),
    benchRow(`${name} open 2×`, 'requests/s', open, against),
  ];
}
