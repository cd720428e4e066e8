/** Loads and runs a model in this very process, then lives on for longer than ONNX Runtime waits before it tells of itself. */
import { setTimeout } from 'node:timers/promises';
import { SessionHost } from '../../runner/session-host.ts';

const host = await SessionHost.load({
  file: process.argv[2]!,
  provider: 'cpu',
  threads: 1,
  memoryBytesMax: 2 ** 30,
});
const data = new Uint8Array(Float32Array.of(1).buffer);
await host.infer({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1], data }] });
await setTimeout(2_000);
