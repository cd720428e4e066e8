/** Writes a folder that `modelfleet models pack` takes: model.yaml, the model, a sample and golden samples. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { predict } from '../training/perceptron.ts';
import { readPerceptron } from '../training/read-perceptron.ts';
import { modelInput, modelOutput } from './gas-sensor-data.ts';
import { channels, type Reading, withAllSensors } from './reading.ts';

export interface VersionFolderOptions {
  readonly folder: string;
  readonly version: string;
  readonly release: number;
  readonly onnx: Uint8Array;
  /** The readings it was trained on: the reference profile is made from them, golden samples are taken from them. */
  readonly readings: readonly Reading[];
  /** The model as it was in training, whose answers the golden samples expect; absent where no such answers are known. */
  readonly trainedModel?: Uint8Array;
  readonly description: string;
}

const GOLDEN_ROWS = 16;
const MODEL_FILE = 'air-quality.onnx';

export async function writeVersionFolder(options: VersionFolderOptions): Promise<void> {
  const { folder, onnx, readings, trainedModel } = options;
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, MODEL_FILE), onnx);
  await writeFile(join(folder, 'sample.csv'), sampleCsv(readings));
  if (trainedModel) await writeFile(join(folder, 'golden.csv'), goldenCsv(readings, trainedModel));
  await writeFile(join(folder, 'model.yaml'), modelYaml(options));
}

function modelYaml({ version, release, trainedModel, description }: VersionFolderOptions): string {
  return stringify({
    model: 'air-quality',
    version,
    release,
    file: MODEL_FILE,
    features: { [modelInput]: [...channels] },
    units: { [modelOutput]: 'mg/m³' },
    sample: { file: 'sample.csv' },
    golden: trainedModel
      ? { file: 'golden.csv', expected: { [modelOutput]: [modelOutput] } }
      : { rows: GOLDEN_ROWS },
    tolerances: { [modelOutput]: { absolute: 0.005, relative: 0.005 } },
    label: { output: modelOutput, kind: 'regression' },
    objectives: { latencyP95Ms: 500, errorRateMax: 0.01 },
    card: {
      task: 'carbon monoxide from eight gas-sensor channels',
      license: 'CC-BY-4.0',
      framework: 'multilayer perceptron, ONNX',
      description,
    },
  });
}

function sampleCsv(readings: readonly Reading[]): string {
  const rows = readings.map(({ at, sensors, coMgM3 }) => [new Date(at).toISOString(), ...sensors, coMgM3]);
  return csv(['at', ...channels, modelOutput], rows);
}

/** Rows spread over the stretch, with what the model answered in training. */
function goldenCsv(readings: readonly Reading[], trainedModel: Uint8Array): string {
  const net = readPerceptron(trainedModel);
  const complete = withAllSensors(readings);
  const rows = Array.from({ length: Math.min(GOLDEN_ROWS, complete.length) }, (_, i) => {
    const { sensors } = complete[Math.floor(((i + 0.5) * complete.length) / GOLDEN_ROWS)]!;
    return [...sensors, Number(predict(net, sensors).toPrecision(7))];
  });
  return csv([...channels, modelOutput], rows);
}

function csv(header: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const cell = (value: string | number) => (Number.isNaN(value) ? '' : String(value));
  return [header, ...rows].map((row) => `${row.map(cell).join(',')}\n`).join('');
}
