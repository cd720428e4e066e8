/** Packs the demo's versions, good and bad, and runs them on the readings of the season they are rolled out in. */
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { packVersion } from '../../../../cli/packing/pack.ts';
import { withoutScaler, withTemperatureTable } from '../../../../demo/gas-sensors/bad-versions.ts';
import {
  type GasSensorData,
  generatedData,
  goodVersions,
  realData,
  seedDefault,
  summerStretch,
  trainingStretch,
} from '../../../../demo/gas-sensors/gas-sensor-data.ts';
import {
  type Reading,
  readingsBetween,
  withAllSensors,
  withReference,
} from '../../../../demo/gas-sensors/reading.ts';
import { writeVersionFolder } from '../../../../demo/gas-sensors/version-folder.ts';
import { errorOf } from '../../../../demo/training/perceptron.ts';
import { readPerceptron } from '../../../../demo/training/read-perceptron.ts';
import { makeLogger } from '../../../../platform/logger.ts';
import { RunnerProcess } from '../../../../runner/runner-client.ts';
import { encodeNumbers } from '../../../../shared/inference/tensor-values.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const logger = makeLogger('test', 'silent');
const pack = (folder: string, skipGoldenCheck = false) =>
  packVersion({ folder, skipGoldenCheck, now: Date.UTC(2026, 0, 1), logger });

describe('the generated year', () => {
  const generated = generatedData(seedDefault);
  tellsTheStory(async () => generated);

  it('makes newer versions clearly better in winter', () => {
    const { readings, models } = generated;
    const winter = withReference(readingsBetween(readings, '2005-02-01', '2005-04-01'));
    const [v1, v2, v3] = goodVersions.map(
      (version) =>
        errorOf(
          readPerceptron(models[version]),
          winter.map(({ sensors }) => sensors),
          winter.map(({ coMgM3 }) => coMgM3),
        ).mae,
    );
    expect(v2!).toBeLessThan(0.85 * v1!);
    expect(v3!).toBeLessThan(0.6 * v1!);
  });
});

const data = process.env['MODELFLEET_TEST_DATA'] ?? '';
describe.skipIf(data === '')('the real year (MODELFLEET_TEST_DATA)', () => {
  tellsTheStory(() => realData(data));
});

function tellsTheStory(load: () => Promise<GasSensorData>): void {
  it('packs v1, v2 and v3 against the answers they gave in training', async () => {
    const { readings, models } = await load();
    for (const [i, version] of goodVersions.entries()) {
      const folder = join(await tempFolder(), version);
      const onnx = models[version];
      await writeVersionFolder({
        folder,
        version: `${i + 1}.0.0`,
        release: i + 1,
        onnx,
        readings: trainingStretch(readings, version),
        trainedModel: onnx,
        description: version,
      });
      const { packed, goldenSamples } = await pack(folder);
      expect(packed.manifest).toMatchObject({
        model: 'air-quality',
        version: `${i + 1}.0.0`,
        release: i + 1,
      });
      expect(packed.manifest.profile!.features).toHaveLength(9);
      expect(goldenSamples).toBe(16);
    }
  });

  it('makes a version without its scaler, which packing refuses unless told to skip the check', async () => {
    const { readings, models } = await load();
    const folder = join(await tempFolder(), 'bad');
    await writeVersionFolder({
      folder,
      version: '4.0.0',
      release: 4,
      onnx: withoutScaler(models.v3),
      readings: trainingStretch(readings, 'v3'),
      trainedModel: models.v3,
      description: 'exported without its scaler',
    });
    await expect(pack(folder)).rejects.toMatchObject({ code: 'golden_mismatch' });
    const { packed } = await pack(folder, true);
    expect(packed.manifest.version).toBe('4.0.0');
  });

  it('makes a version that passes its golden samples and fails on most of winter', async () => {
    const { readings, models } = await load();
    const folder = join(await tempFolder(), 'bad');
    const summer = summerStretch(readings);
    await writeVersionFolder({
      folder,
      version: '5.0.0',
      release: 5,
      onnx: withTemperatureTable(models.v3, summer),
      readings: summer,
      description: 'with a temperature table',
    });
    const { packed } = await pack(folder);
    const file = join(packed.folder, packed.manifest.variants[0]!.file);
    const runner = await RunnerProcess.start({ file, provider: 'cpu' }, { logger });
    onTestFinished(() => runner.close());
    const winter = withAllSensors(readingsBetween(readings, '2005-01-01', '2005-03-01')).filter(
      (_, i) => i % 8 === 0,
    );
    const codes = await Promise.all(winter.map((reading) => outcome(runner, reading)));
    expect(codes.every((code) => code === 'ok' || code === 'inference_failed')).toBe(true);
    expect(codes.filter((code) => code === 'inference_failed').length).toBeGreaterThan(0.5 * codes.length);
  });
}

async function outcome(runner: RunnerProcess, { sensors }: Reading): Promise<string> {
  const data = encodeNumbers('FP32', sensors);
  try {
    await runner.infer([{ name: 'sensors', datatype: 'FP32', shape: [1, 8], data }]);
    return 'ok';
  } catch (error) {
    return (error as { code: string }).code;
  }
}
