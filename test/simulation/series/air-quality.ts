/**
 * A year of gas sensors (S. De Vito et al., Sensors and Actuators B 129, 2008), which drift as they age and with the seasons: what each month
 * is against a profile of the first ones, and what the model trained on these answers, by the analyser beside them.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { readAirQualityFile } from '../../../demo/gas-sensors/air-quality-file.ts';
import { channels, type Reading, readingsBetween, withReference } from '../../../demo/gas-sensors/reading.ts';
import type { DriftVerdict } from '../../../shared/api/drift.ts';
import { profileOf, verdictOf } from './counted-series.ts';

export const learnedFrom = '2004-03';
export const learnedTo = '2004-06';

export interface MonthCount {
  /** `2004-07` */
  readonly month: string;
  /** By channel, without what the order of the sample tells, and with it. */
  readonly verdicts: readonly DriftVerdict[];
  readonly verdictsOrdered: readonly DriftVerdict[];
  /** Mean absolute error of the model, mg/m³, and of how many hours. */
  readonly error: number;
  readonly labels: number;
}

export async function countAirQuality(data: string): Promise<readonly MonthCount[]> {
  const folder = join(data, 'air-quality');
  const readings = await readAirQualityFile(join(folder, 'AirQualityUCI.csv'));
  const session = await InferenceSession.create(await readFile(join(folder, 'air-quality-v1.onnx')));
  const learned = readingsBetween(readings, learnedFrom, learnedTo);
  const [plain, ordered] = [false, true].map((isOrdered) =>
    channels.map((name, i) => profileOf(name, column(learned, i), isOrdered)),
  );
  const counts: MonthCount[] = [];
  for (let month = Date.parse(learnedFrom); month < readings.at(-1)!.at; month = nextMonth(month)) {
    const inMonth = readings.filter(({ at }) => at >= month && at < nextMonth(month));
    const labelled = withReference(inMonth);
    counts.push({
      month: new Date(month).toISOString().slice(0, 7),
      verdicts: plain!.map((profile, i) => verdictOf(profile, column(inMonth, i))),
      verdictsOrdered: ordered!.map((profile, i) => verdictOf(profile, column(inMonth, i))),
      error: await meanError(session, labelled),
      labels: labelled.length,
    });
  }
  return counts;
}

function column(readings: readonly Reading[], i: number): readonly number[] {
  return readings.map(({ sensors }) => sensors[i]!);
}

async function meanError(session: InferenceSession, readings: readonly Reading[]): Promise<number> {
  const rows = Float32Array.from(readings.flatMap(({ sensors }) => sensors));
  const [input = '', output = ''] = [session.inputNames[0], session.outputNames[0]];
  const answers = await session.run({
    [input]: new Tensor('float32', rows, [readings.length, channels.length]),
  });
  const predicted = answers[output]!.data as Float32Array;
  return readings.reduce((sum, { coMgM3 }, i) => sum + Math.abs(predicted[i]! - coMgM3), 0) / readings.length;
}

function nextMonth(month: number): number {
  const date = new Date(month);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1);
}
