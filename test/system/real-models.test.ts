/**
 * Versions of one model whose interfaces differ travel the whole way: packed, signed, published, rolled out, verified, qualified
 * and asked on a device. Models people published where MODELFLEET_TEST_DATA names them; models of our own writer always.
 */
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type InferResult, inferBinary, type NamedNumbers } from '../support/infer-client.ts';
import {
  addModel,
  classifierModel,
  float16Model,
  linearModel,
  mnistLike,
  statefulModel,
} from '../support/models.ts';
import { npyFile } from '../support/pack-folder.ts';
import { SmallFleet } from '../support/small-fleet.ts';

const TEST_MS = 120_000;
const data = process.env['MODELFLEET_TEST_DATA'] ?? '';
const device = 'line-1';

interface Version {
  /** model.yaml after model, version and release. */
  readonly yaml: string;
  readonly files: Readonly<Record<string, Uint8Array | string>>;
  readonly ask: readonly NamedNumbers[];
  readonly check: (outputs: InferResult['outputs']) => void;
}

let small: SmallFleet;
beforeAll(async () => {
  small = await SmallFleet.start([device]);
}, TEST_MS);
afterAll(() => small?.stop());

/**
 * Brings each version to the device after the other; asks each, and asks it what the one before was asked. Their
 * interfaces differ as those of strangers' models do, which is what `breaking` says is meant.
 */
async function travel(model: string, versions: readonly Version[]): Promise<void> {
  for (const [index, { yaml, files, ask, check }] of versions.entries()) {
    const version = `${index + 1}.0.0`;
    const folder = join(small.fleet.folder, model, version);
    await mkdir(folder, { recursive: true });
    await writeFile(
      join(folder, 'model.yaml'),
      `model: ${model}\nversion: ${version}\nrelease: ${index + 1}\n${yaml}`,
    );
    for (const [name, content] of Object.entries(files)) {
      if (typeof content === 'string') await copyFile(join(data, content), join(folder, name));
      else await writeFile(join(folder, name), content);
    }
    expect(await small.publish(folder, '--breaking')).toBe(version);
    const id = await small.rollOut(version, { model, breaking: true });
    expect(await small.ended(id)).toMatchObject({ status: 'completed', counts: { succeeded: 1 } });
    const answer = await inferBinary(small.fleet.agentUrl(device), model, ask);
    expect(answer.version).toBe(version);
    check(answer.outputs);
    const before = versions[index - 1];
    if (before && shapeOf(before.ask) !== shapeOf(ask)) {
      // The hub knows of the commit before the version before stands by no longer, which answers what only it takes.
      await expect.poll(() => answeringVersions(model)).toEqual([version]);
      await expect(inferBinary(small.fleet.agentUrl(device), model, before.ask)).rejects.toThrow(
        'tensor_invalid',
      );
    }
  }
}

async function answeringVersions(model: string): Promise<readonly string[]> {
  const response = await fetch(`${small.fleet.agentUrl(device)}/v2/models/${model}`);
  return ((await response.json()) as { versions: string[] }).versions;
}

const shapeOf = (tensors: readonly NamedNumbers[]): string =>
  JSON.stringify(tensors.map(({ name, datatype, shape }) => [name, datatype, shape]));

const rows = (header: string, count: number, row: (i: number) => readonly number[]): Uint8Array =>
  Buffer.from(`${header}\n${Array.from({ length: count }, (_, i) => row(i).join(',')).join('\n')}\n`);

const zeros = (shape: readonly number[]): number[] =>
  new Array(shape.reduce((product, size) => product * size, 1)).fill(0);

describe('models of our own writer', { timeout: TEST_MS }, () => {
  it('inputs that are renamed, joined and given a state between versions', async () => {
    await travel('meter', [
      {
        yaml: 'file: m.onnx\nsample: { file: s.csv }\ngolden: { rows: 2 }\n',
        files: { 'm.onnx': addModel(), 's.csv': rows('a,b', 30, (i) => [i % 5, i % 3]) },
        ask: ['a', 'b'].map((name, i) => ({ name, datatype: 'FP32', shape: [1, 1], values: [i + 1] })),
        check: ({ sum }) => expect(sum).toEqual({ datatype: 'FP32', shape: [1, 1], values: [3] }),
      },
      {
        yaml: 'file: m.onnx\nfeatures: { x: [a, b] }\nsample: { file: s.csv }\ngolden: { rows: 2 }\n',
        files: { 'm.onnx': linearModel({ bias: [10] }), 's.csv': rows('a,b', 30, (i) => [i % 5, i % 3]) },
        ask: [{ name: 'x', datatype: 'FP32', shape: [1, 2], values: [1, 2] }],
        check: ({ y }) => expect(y?.values).toEqual([13]),
      },
      {
        yaml: `file: m.onnx
sample:
  arrays: { input: frames.npy }
  fill: { state: { value: 0, shape: [2, 1, 4] }, sr: { value: 16000 } }
golden: { rows: 2 }
`,
        files: {
          'm.onnx': statefulModel(),
          'frames.npy': npyFile(
            [30, 8],
            Float32Array.from({ length: 240 }, (_, i) => Math.sin(i)),
          ),
        },
        ask: [
          { name: 'input', datatype: 'FP32', shape: [1, 4], values: [1, 2, 3, 2] },
          { name: 'state', datatype: 'FP32', shape: [2, 1, 4], values: zeros([8]) },
          { name: 'sr', datatype: 'INT64', shape: [], values: [8_000] },
        ],
        check: ({ output, stateN }) => {
          expect(output?.values).toEqual([16_000]);
          expect(stateN).toEqual({ datatype: 'FP32', shape: [2, 1, 4], values: new Array(8).fill(2) });
        },
      },
    ]);
  });

  it('an interface of FP32 becomes one of FP16', async () => {
    const yaml = 'file: m.onnx\nfeatures: { x: [a, b] }\nsample: { file: s.csv }\ngolden: { rows: 2 }\n';
    const sample = rows('a,b', 30, (i) => [i / 4, i / 8]);
    await travel('half', [
      {
        yaml,
        files: { 'm.onnx': linearModel(), 's.csv': sample },
        ask: [{ name: 'x', datatype: 'FP32', shape: [1, 2], values: [0.5, 1.25] }],
        check: ({ y }) => expect(y).toEqual({ datatype: 'FP32', shape: [1, 1], values: [1.75] }),
      },
      {
        yaml,
        files: { 'm.onnx': float16Model(), 's.csv': sample },
        ask: [{ name: 'x', datatype: 'FP16', shape: [1, 2], values: [0.5, 1.25] }],
        check: ({ y }) => expect(y).toEqual({ datatype: 'FP16', shape: [1, 2], values: [1, 2.5] }),
      },
    ]);
  });

  it('an image model of FP32 becomes one of FP16', async () => {
    const pixels = Float32Array.from({ length: 20 * 784 }, (_, i) => (i * 37) % 256);
    const yaml = `file: m.onnx
sample: { arrays: { image: images.npy } }
golden: { rows: 2 }
tolerances: { logits: { absolute: 5, relative: 0.05 } }
label: { output: logits, kind: classification }
`;
    await travel(
      'image',
      (['float', 'float16'] as const).map((precision) => ({
        yaml,
        files: { 'm.onnx': mnistLike({ precision }), 'images.npy': npyFile([20, 1, 28, 28], pixels) },
        ask: [
          {
            name: 'image',
            datatype: precision === 'float' ? 'FP32' : 'FP16',
            shape: [1, 1, 28, 28],
            values: pixels.subarray(0, 784),
          },
        ],
        check: ({ logits }) => expect(logits).toMatchObject({ shape: [1, 10] }),
      })),
    );
  });

  it('a label of whole numbers whose output is renamed', async () => {
    await travel(
      'sorter',
      ['label', 'output'].map((labelName) => ({
        yaml: `file: m.onnx
features: { x: [a, b] }
sample: { file: s.csv }
golden: { rows: 4 }
label: { output: ${labelName}, kind: classification }
`,
        files: {
          'm.onnx': classifierModel({ labelName }),
          's.csv': rows('a,b', 60, (i) => [(i % 7) - 3, (i % 5) - 2]),
        },
        ask: [{ name: 'x', datatype: 'FP32', shape: [2, 2], values: [3, 0, 0, 3] }],
        check: (outputs) => {
          expect(outputs[labelName]).toEqual({ datatype: 'INT64', shape: [2], values: [0, 1] });
          expect(outputs['probabilities']).toMatchObject({ datatype: 'FP32', shape: [2, 3] });
        },
      })),
    );
  });
});

describe.skipIf(data === '')('models people published (MODELFLEET_TEST_DATA)', { timeout: TEST_MS }, () => {
  it('silero-vad 3.1, 4.0, 5.1 and 6.2: states split, a sampling rate, states joined', async () => {
    const wav = (await readFile(join(data, 'silero-vad/en-16k.wav'))).subarray(44);
    const sound = (at: number, count: number) =>
      Float32Array.from({ length: count }, (_, i) => wav.readInt16LE(2 * (at + i)) / 32_768);
    const releases = [
      { release: '3.1', size: 1_536, hasRate: false, states: { h0: [2, 1, 64], c0: [2, 1, 64] } },
      { release: '4.0', size: 1_536, hasRate: true, states: { h: [2, 1, 64], c: [2, 1, 64] } },
      { release: '5.1', size: 576, hasRate: true, states: { state: [2, 1, 128] } },
      { release: '6.2', size: 576, hasRate: true, states: { state: [2, 1, 128] } },
    ];
    const versions = releases.map(({ release, size, hasRate, states }): Version => {
      const fill = Object.entries(states).map(([name, shape]) => `${name}: { value: 0, shape: [${shape}] }`);
      if (hasRate) fill.push('sr: { value: 16000 }');
      return {
        yaml: `file: silero_vad.onnx
sample:
  arrays: { input: frames.npy }
  fill: { ${fill.join(', ')} }
golden: { rows: 3 }
`,
        files: {
          'silero_vad.onnx': `silero-vad/silero_vad-${release}.onnx`,
          'frames.npy': npyFile([40, size], sound(16_000, 40 * size)),
        },
        ask: [
          { name: 'input', datatype: 'FP32', shape: [1, size], values: sound(32_000, size) },
          ...Object.entries(states).map(
            ([name, shape]): NamedNumbers => ({ name, datatype: 'FP32', shape, values: zeros(shape) }),
          ),
          ...(hasRate
            ? [{ name: 'sr', datatype: 'INT64', shape: [], values: [16_000] } satisfies NamedNumbers]
            : []),
        ],
        check: ({ output }) => {
          const speech = output!.values.at(-1)!;
          expect(speech).toBeGreaterThanOrEqual(0);
          expect(speech).toBeLessThanOrEqual(1);
        },
      };
    });
    await travel('silero-vad', versions);
  });

  it('mnist in FP32 and then in FP16 reads the same digit', async () => {
    const images = gunzipSync(await readFile(join(data, 'mnist/t10k-images-idx3-ubyte.gz'))).subarray(16);
    const labels = gunzipSync(await readFile(join(data, 'mnist/t10k-labels-idx1-ubyte.gz'))).subarray(8);
    const versions = (['mnist-12', 'mnist-12-fp16'] as const).map(
      (name): Version => ({
        yaml: `file: mnist.onnx
sample: { arrays: { Input3: images.npy } }
golden: { rows: 4 }
tolerances: { Plus214_Output_0: { absolute: 5, relative: 0.01 } }
label: { output: Plus214_Output_0, kind: classification }
`,
        files: {
          'mnist.onnx': `mnist/${name}.onnx`,
          'images.npy': npyFile([20, 1, 28, 28], images.subarray(0, 20 * 784)),
        },
        ask: [
          {
            name: 'Input3',
            datatype: name === 'mnist-12' ? 'FP32' : 'FP16',
            shape: [1, 1, 28, 28],
            values: images.subarray(0, 784),
          },
        ],
        check: ({ Plus214_Output_0: logits }) =>
          expect(logits!.values.indexOf(Math.max(...logits!.values))).toBe(labels[0]),
      }),
    );
    await travel('mnist', versions);
  });

  it('wine by XGBoost and then by LightGBM: the label is named otherwise, and agrees', async () => {
    const table = await readFile(join(data, 'wine/wine_data.csv'), 'utf8');
    const features = table.split('\n')[1]!.split(',').map(Number).slice(0, 13);
    const versions = (
      [
        ['xgboost', 'label', 0.9521666],
        ['lightgbm', 'output', 0.6263702],
      ] as const
    ).map(
      ([kind, label, probability]): Version => ({
        yaml: `file: wine.onnx
classes: [class_0, class_1, class_2]
sample:
  file: wine_data.csv
  skipLines: 1
  header: false
  columns: { input: ['1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11', '12', '13'] }
golden: { rows: 10 }
label: { output: ${label}, kind: classification }
`,
        files: { 'wine.onnx': `wine/wine-${kind}.onnx`, 'wine_data.csv': 'wine/wine_data.csv' },
        ask: [{ name: 'input', datatype: 'FP32', shape: [1, 13], values: features }],
        check: (outputs) => {
          expect(outputs[label]).toEqual({ datatype: 'INT64', shape: [1], values: [0] });
          expect(outputs['probabilities']!.values[0]).toBeCloseTo(probability, 5);
        },
      }),
    );
    await travel('wine', versions);
  });
});
