/** The demo's data and models: made here, or the real ones of a folder. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exportModel } from '../training/export-model.ts';
import { train } from '../training/train.ts';
import { readAirQualityFile } from './air-quality-file.ts';
import { type Reading, readingsBetween, withReference } from './reading.ts';
import { sensorYear } from './sensor-year.ts';

export const goodVersions = ['v1', 'v2', 'v3'] as const;
export type GoodVersion = (typeof goodVersions)[number];

export interface GasSensorData {
  /** One sentence for the reader. */
  readonly source: string;
  readonly readings: readonly Reading[];
  readonly models: Readonly<Record<GoodVersion, Uint8Array>>;
}

/** First hour after the stretch each version is trained on; all begin with the data. */
const trainedBefore: Readonly<Record<GoodVersion, string>> = {
  v1: '2004-06-01',
  v2: '2004-10-01',
  v3: '2005-02-01',
};

export const modelInput = 'sensors';
export const modelOutput = 'co_mg_m3';

const FIRST = '2004-03-01';
const TRAINING_SEED = 7;

/** The seed the demo uses unless told otherwise. */
export const seedDefault = 2;

/** Readings a version was trained on. */
export function trainingStretch(readings: readonly Reading[], version: GoodVersion): Reading[] {
  return readingsBetween(readings, FIRST, trainedBefore[version]);
}

/** June to August: what the version with a temperature table was made from. */
export function summerStretch(readings: readonly Reading[]): Reading[] {
  return readingsBetween(readings, '2004-06-01', '2004-09-01');
}

/** A seeded year, and three models trained on it here and now. */
export function generatedData(seed: number): GasSensorData {
  const readings = sensorYear(seed);
  const trainOn = (version: GoodVersion): Uint8Array => {
    const rows = withReference(trainingStretch(readings, version));
    const net = train({
      rows: rows.map(({ sensors }) => sensors),
      targets: rows.map(({ coMgM3 }) => coMgM3),
      seed: TRAINING_SEED,
    });
    return exportModel(net, { name: `air-quality-${version}`, input: modelInput, output: modelOutput });
  };
  return {
    source: `generated with seed ${seed}`,
    readings,
    models: { v1: trainOn('v1'), v2: trainOn('v2'), v3: trainOn('v3') },
  };
}

/** The UCI Air Quality file and models below `folder`: `air-quality/AirQualityUCI.csv`, `air-quality/air-quality-v1.onnx`, … */
export async function realData(folder: string): Promise<GasSensorData> {
  const at = (file: string) => join(folder, 'air-quality', file);
  const [v1, v2, v3] = await Promise.all(
    goodVersions.map((version) => readFile(at(`air-quality-${version}.onnx`))),
  );
  return {
    source: `UCI Air Quality (De Vito et al. 2008), ${at('AirQualityUCI.csv')}`,
    readings: await readAirQualityFile(at('AirQualityUCI.csv')),
    models: { v1: v1!, v2: v2!, v3: v3! },
  };
}
