/** Packs versions of real models. Runs where MODELFLEET_TEST_DATA names the folder of test data. */
import { copyFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type PackResult, packVersion } from '../../../../cli/packing/pack.ts';
import { judgeFeatures } from '../../../../hub/drift/verdict.ts';
import { makeLogger } from '../../../../platform/logger.ts';
import { RunnerProcess } from '../../../../runner/runner-client.ts';
import type { Tensor } from '../../../../shared/inference/tensor.ts';
import { encodeNumbers } from '../../../../shared/inference/tensor-values.ts';
import { parseGoldenFile } from '../../../../shared/manifest/golden-file.ts';
import { WindowCounts } from '../../../../shared/telemetry/window-counts.ts';
import { makePackFolder, npyFile, type PackFolder } from '../../../support/pack-folder.ts';

const data = process.env['MODELFLEET_TEST_DATA'] ?? '';
const head = (model: string) => `model: ${model}\nversion: 1.0.0\nrelease: 1\n`;

describe.skipIf(data === '')('packVersion() on real models (MODELFLEET_TEST_DATA)', () => {
  it('packs air-quality with a profile of each sensor and of the output', async () => {
    const folder = await makePackFolder({
      'model.yaml': `${head('air-quality')}file: air-quality-v1.onnx
features:
  sensors: ['PT08.S1(CO)', 'PT08.S2(NMHC)', 'PT08.S3(NOx)', 'PT08.S4(NO2)', 'PT08.S5(O3)', T, RH, AH]
units: { co_mg_m3: mg/m³ }
sample: { file: AirQualityUCI.csv, missing: [-200] }
golden: { rows: 16 }
label: { output: co_mg_m3, kind: regression }
`,
    });
    await bring(folder, 'air-quality/AirQualityUCI.csv', 'air-quality/air-quality-v1.onnx');
    const { packed, remarks } = await pack(folder);
    const features = packed.manifest.profile!.features;
    expect(features.map((f) => f.name)).toEqual([
      'PT08.S1(CO)',
      'PT08.S2(NMHC)',
      'PT08.S3(NOx)',
      'PT08.S4(NO2)',
      'PT08.S5(O3)',
      'T',
      'RH',
      'AH',
      'co_mg_m3',
    ]);
    expect(packed.manifest.profile!.rows).toBe(9357);
    expect(features.map((f) => f.missing)).toEqual([366, 366, 366, 366, 366, 366, 366, 366, 0]);
    expect(remarks).toEqual(['366 of 9357 sample rows lack a value and were not run']);
  });

  it.each([
    ['mnist-12', 'FP32', 784 * 4],
    ['mnist-12-fp16', 'FP16', 784 * 2],
  ] as const)('packs %s with %s golden tensors and summary features', async (file, datatype, bytes) => {
    const images = gunzipSync(await readFile(join(data, 'mnist/t10k-images-idx3-ubyte.gz')));
    const pixels = images.subarray(16, 16 + 20 * 784);
    const folder = await makePackFolder({
      'model.yaml': `${head('mnist')}file: ${file}.onnx
sample: { arrays: { Input3: images.npy } }
golden: { rows: 4 }
tolerances: { Plus214_Output_0: { absolute: 5, relative: 0.01 } }
label: { output: Plus214_Output_0, kind: classification }
`,
      'images.npy': npyFile([20, 1, 28, 28], pixels),
    });
    await bring(folder, `mnist/${file}.onnx`);
    const { packed } = await pack(folder);
    expect(packed.manifest.interface.inputs).toEqual([{ name: 'Input3', datatype, shape: [1, 1, 28, 28] }]);
    expect(packed.manifest.profile!.features.map((f) => f.name)).toEqual([
      'Input3 mean',
      'Input3 stddev',
      'Plus214_Output_0 argmax',
      'Plus214_Output_0 max',
    ]);
    const golden = await goldenOf(packed.folder);
    expect(golden.samples).toHaveLength(4);
    expect(Buffer.from(golden.samples[0]!.inputs[0]!.data, 'base64')).toHaveLength(bytes);
    expect(golden.samples[0]!.outputs[0]!.datatype).toBe(datatype);
  });

  it.each(['5.1', '6.2'])('packs silero-vad %s with state and a scalar sampling rate', async (release) => {
    const wav = await readFile(join(data, 'silero-vad/en-16k.wav'));
    const samples = Float32Array.from(
      { length: 40 * 576 },
      (_, i) => wav.readInt16LE(44 + 2 * (16_000 + i)) / 32_768,
    );
    const folder = await makePackFolder({
      'model.yaml': `${head('silero-vad')}file: silero_vad-${release}.onnx
state: { state: stateN }
sample:
  arrays: { input: frames.npy }
  fill: { state: { value: 0, shape: [2, 1, 128] }, sr: { value: 16000 } }
golden: { rows: 3 }
`,
      'frames.npy': npyFile([40, 576], samples),
    });
    await bring(folder, `silero-vad/silero_vad-${release}.onnx`);
    const { packed } = await pack(folder);
    const golden = await goldenOf(packed.folder);
    expect(golden.samples[0]!.inputs.map(({ name, datatype, shape }) => ({ name, datatype, shape }))).toEqual(
      [
        { name: 'input', datatype: 'FP32', shape: [1, 576] },
        { name: 'state', datatype: 'FP32', shape: [2, 1, 128] },
        { name: 'sr', datatype: 'INT64', shape: [] },
      ],
    );
    expect(packed.manifest.profile!.features.map((f) => f.name)).toEqual([
      'input mean',
      'input stddev',
      'output',
    ]);
  });

  it.each(['5.1', '6.2'])(
    'finds silero-vad %s stable in service on its own sample, state carried there and here',
    async (release) => {
      const frames = 1_500;
      const audio = await readFile(join(data, 'silero-vad/en-16k.wav'));
      // 64 samples of context before 512 new ones.
      const at = (frame: number, i: number) =>
        audio.readInt16LE(44 + 2 * (16_000 + frame * 512 - 64 + i)) / 32_768;
      const samples = Float32Array.from({ length: frames * 576 }, (_, i) => at(Math.floor(i / 576), i % 576));
      const folder = await makePackFolder({
        'model.yaml': `${head('silero-vad')}file: silero_vad-${release}.onnx
state: { state: stateN }
sample: { arrays: { input: frames.npy }, fill: { sr: { value: 16000 } } }
`,
        'frames.npy': npyFile([frames, 576], samples),
      });
      await bring(folder, `silero-vad/silero_vad-${release}.onnx`);
      const { packed, remarks } = await pack(folder);
      const profile = packed.manifest.profile!;
      expect(profile.features.map((f) => f.name)).toEqual(['input mean', 'input stddev', 'output']);
      expect(remarks).toEqual([]);

      const runner = await RunnerProcess.start(
        { file: join(packed.folder, `silero_vad-${release}.onnx`), provider: 'cpu' },
        { logger: makeLogger('test', 'silent') },
      );
      const carried = new WindowCounts(profile);
      const fresh = new WindowCounts(profile);
      const first: Tensor = {
        name: 'state',
        datatype: 'FP32',
        shape: [2, 1, 128],
        data: new Uint8Array(1_024),
      };
      const sr: Tensor = { name: 'sr', datatype: 'INT64', shape: [], data: encodeNumbers('INT64', [16_000]) };
      let state = first;
      try {
        for (let frame = 0; frame < frames; frame += 1) {
          const input: Tensor = {
            name: 'input',
            datatype: 'FP32',
            shape: [1, 576],
            data: encodeNumbers('FP32', samples.subarray(frame * 576, (frame + 1) * 576)),
          };
          const ask = async (state: Tensor) =>
            (await runner.infer([input, state, sr], { outputs: ['output', 'stateN'] })).outputs;
          const outputs = await ask(state);
          carried.add([input, state, sr], outputs);
          state = { ...outputs.find((output) => output.name === 'stateN')!, name: 'state' };
          fresh.add([input, first, sr], await ask(first));
        }
      } finally {
        await runner.close();
      }
      const verdictOf = (counts: WindowCounts, name: string) =>
        judgeFeatures(profile, counts.result()).find((feature) => feature.name === name)!.verdict;
      expect(profile.features.map(({ name }) => verdictOf(carried, name))).toEqual([
        'stable',
        'stable',
        'stable',
      ]);
      expect(verdictOf(fresh, 'output')).toBe('drift');
    },
    120_000,
  );

  it('watches the classes of a classifier of rank four, and the channels of its images', async () => {
    const folder = await makePackFolder({
      'model.yaml': `${head('squeezenet')}file: squeezenet-1.1-fp16.onnx
sample: { arrays: { data_0: images.npy } }
`,
      'images.npy': npyFile(
        [4, 3, 224, 224],
        Float32Array.from({ length: 4 * 3 * 224 * 224 }, (_, i) => ((i * 7_919) % 256) - 100),
      ),
    });
    await bring(folder, 'imagenet-classifier/squeezenet-1.1-fp16.onnx');
    const { packed } = await pack(folder);
    expect(packed.manifest.profile!.features.map((f) => f.name)).toEqual([
      'data_0[0] mean',
      'data_0[0] stddev',
      'data_0[1] mean',
      'data_0[1] stddev',
      'data_0[2] mean',
      'data_0[2] stddev',
      'softmaxout_1 argmax',
      'softmaxout_1 max',
    ]);
  });

  it.each([
    ['wine-xgboost', 'label'],
    ['wine-lightgbm', 'output'],
  ])('packs %s with its int64 label as categories', async (file, label) => {
    const folder = await makePackFolder({
      'model.yaml': `${head('wine')}file: ${file}.onnx
classes: [class_0, class_1, class_2]
sample:
  file: wine_data.csv
  skipLines: 1
  header: false
  columns: { input: ['1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11', '12', '13'] }
  label: '14'
golden: { rows: 10 }
label: { output: ${label}, kind: classification }
`,
    });
    await bring(folder, 'wine/wine_data.csv', `wine/${file}.onnx`);
    const { packed, remarks } = await pack(folder);
    expect(remarks).toContainEqual(expect.stringMatching(/^17\d of 178 labelled rows are predicted right/));
    const feature = packed.manifest.profile!.features.find((f) => f.name === label);
    expect(feature).toMatchObject({ kind: 'categorical', categories: ['0', '1', '2'], unseen: 0 });
    expect(packed.manifest.golden.tolerances[label]).toEqual({ absolute: 0, relative: 0 });
  });

  it('packs the iris forest without its ZipMap output, and says so', async () => {
    const folder = await makePackFolder({
      'model.yaml': `${head('iris')}file: iris-randomforest-zipmap.onnx
features: { X: [sepal length, sepal width, petal length, petal width] }
sample: { file: iris.csv, skipLines: 1, header: false, columns: { X: ['1', '2', '3', '4'] } }
golden: { file: iris.csv, skipLines: 1, header: false, columns: { X: ['1', '2', '3', '4'] }, expected: { output_label: ['5'] } }
`,
    });
    await bring(folder, 'iris/iris.csv', 'iris/iris-randomforest-zipmap.onnx');
    await expect(pack(folder)).rejects.toMatchObject({ code: 'too_large' });
    const csv = (await readFile(join(folder.path, 'iris.csv'), 'utf8')).split('\n');
    await folder.write('iris.csv', csv.filter((_, i) => i < 2 || i % 5 === 0).join('\n'));
    const { packed, remarks } = await pack(folder);
    expect(packed.manifest.interface.outputs.map((o) => o.name)).toEqual(['output_label']);
    expect(remarks).toContainEqual(
      expect.stringMatching(
        /^output "output_probability" is a sequence, not a tensor: ZipMap makes it from the tensor "probabilities"; .*: left out of the interface$/,
      ),
    );
  });
});

async function bring(folder: PackFolder, ...files: string[]): Promise<void> {
  for (const file of files) await copyFile(join(data, file), join(folder.path, file.split('/').at(-1)!));
}

async function pack(folder: PackFolder): Promise<PackResult> {
  return await packVersion({
    folder: folder.path,
    now: Date.UTC(2026, 0, 1),
    logger: makeLogger('test', 'silent'),
  });
}

async function goldenOf(folder: string) {
  return parseGoldenFile(await readFile(join(folder, 'golden.json')));
}
