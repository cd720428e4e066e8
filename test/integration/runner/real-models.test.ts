/** Models people published, as they are: four releases of one with a changing signature, fp16, int64 labels, ZipMap. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { makeLogger } from '../../../platform/logger.ts';
import { RunnerProcess } from '../../../runner/runner-client.ts';
import type { Tensor } from '../../../shared/inference/tensor.ts';
import { encodeNumbers, numbersOf } from '../../../shared/inference/tensor-values.ts';
import { fp32 } from '../../support/serving-slot.ts';

const data = process.env['MODELFLEET_TEST_DATA'];
const file = (name: string) => join(data ?? '', name);

async function start(name: string) {
  const logger = makeLogger('test', 'silent');
  const runner = await RunnerProcess.start({ file: file(name), provider: 'cpu' }, { logger });
  onTestFinished(() => runner.close());
  return runner;
}

async function run(runner: RunnerProcess, inputs: readonly Tensor[]): Promise<Map<string, Float64Array>> {
  const { outputs } = await runner.infer(inputs);
  return new Map(outputs.map((output) => [output.name, numbersOf(output)]));
}

const zeros = (name: string, shape: readonly number[]) =>
  fp32(name, shape, new Array(shape.reduce((product, size) => product * size, 1)).fill(0));
const rate: Tensor = {
  name: 'sr',
  datatype: 'INT64',
  shape: [],
  data: new Uint8Array(BigInt64Array.of(16_000n).buffer),
};

describe.skipIf(!data)('real models, by MODELFLEET_TEST_DATA', () => {
  it.each(['FP32', 'FP16'] as const)('mnist in %s reads handwritten digits', async (datatype) => {
    const runner = await start(datatype === 'FP32' ? 'mnist/mnist-12.onnx' : 'mnist/mnist-12-fp16.onnx');
    const images = gunzipSync(readFileSync(file('mnist/t10k-images-idx3-ubyte.gz'))).subarray(16);
    const labels = gunzipSync(readFileSync(file('mnist/t10k-labels-idx1-ubyte.gz'))).subarray(8);
    expect(runner.inputs).toEqual([{ name: 'Input3', datatype, shape: [1, 1, 28, 28] }]);
    const digits = 500;
    let right = 0;
    for (let i = 0; i < digits; i += 1) {
      const pixels = images.subarray(i * 784, (i + 1) * 784);
      const input = {
        name: 'Input3',
        datatype,
        shape: [1, 1, 28, 28],
        data: encodeNumbers(datatype, pixels),
      };
      const logits = (await run(runner, [input])).get('Plus214_Output_0')!;
      if (logits.indexOf(Math.max(...logits)) === labels[i]) right += 1;
    }
    expect(right / digits).toBeGreaterThan(0.97);
  });

  it.each([
    {
      release: '3.1',
      size: 1_536,
      states: [['h0', [2, 1, 64]] as const, ['c0', [2, 1, 64]] as const],
      next: ['hn', 'cn'],
    },
    {
      release: '4.0',
      size: 1_536,
      states: [['h', [2, 1, 64]] as const, ['c', [2, 1, 64]] as const],
      next: ['hn', 'cn'],
    },
    { release: '5.1', size: 512, states: [['state', [2, 1, 128]] as const], next: ['stateN'] },
    { release: '6.2', size: 512, states: [['state', [2, 1, 128]] as const], next: ['stateN'] },
  ])('silero-vad $release detects speech', async ({ release, size, states, next }) => {
    const runner = await start(`silero-vad/silero_vad-${release}.onnx`);
    const wav = readFileSync(file('silero-vad/en-16k.wav')).subarray(44);
    const samples = Float32Array.from({ length: 16_000 * 20 }, (_, i) => wav.readInt16LE(i * 2) / 32_768);
    const context = size === 512 ? 64 : 0;
    let state = states.map(([name, shape]) => zeros(name, shape));
    let speech = 0;
    let windows = 0;
    for (let at = context; at + size <= samples.length; at += size) {
      const sound = fp32('input', [1, context + size], [...samples.subarray(at - context, at + size)]);
      const inputs = release === '3.1' ? [sound, ...state] : [sound, rate, ...state];
      const { outputs } = await runner.infer(inputs);
      const probabilities = numbersOf(outputs.find((output) => output.name === 'output')!);
      if (probabilities.at(-1)! > 0.5) speech += 1;
      windows += 1;
      state = state.map((old, i) => ({
        ...outputs.find((output) => output.name === next[i])!,
        name: old.name,
      }));
    }
    expect(speech / windows).toBeGreaterThan(0.5);
    expect(speech / windows).toBeLessThan(0.95);
  });

  it('two wine models name their int64 label differently and agree on the first row', async () => {
    const [, row] = readFileSync(file('wine/wine_data.csv'), 'utf8').split('\n');
    const features = row!.split(',').map(Number).slice(0, 13);
    const expected = {
      'wine-xgboost': ['label', 0.9521666],
      'wine-lightgbm': ['output', 0.6263702],
    } as const;
    for (const [name, [label, probability]] of Object.entries(expected)) {
      const runner = await start(`wine/${name}.onnx`);
      const answer = await run(runner, [fp32('input', [1, 13], features)]);
      expect([...answer.get(label)!]).toEqual([0]);
      expect(answer.get('probabilities')![0]).toBeCloseTo(probability, 5);
    }
  });

  it('a ZipMap model answers with its label alone', async () => {
    const runner = await start('iris/iris-randomforest-zipmap.onnx');
    expect(runner.outputs.map((output) => output.name)).toEqual(['output_label']);
    const answer = await run(runner, [fp32('X', [1, 4], [5.1, 3.5, 1.4, 0.2])]);
    expect([...answer.get('output_label')!]).toEqual([0]);
  });
});
