/**
 * Machines with labelled faults (A. Lavin, S. Ahmad, "Evaluating Real-Time Anomaly Detection Algorithms – the Numenta Anomaly Benchmark",
 * 2015): how many of the labelled windows have a span that is `drift`, and how many spans outside of them.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { profileOf, verdictOf } from './counted-series.ts';

/** The share of a series that NAB gives a detector to learn from. */
const SAMPLE_SHARE = 0.15;
const files = [
  'machine_temperature_system_failure',
  'ambient_temperature_system_failure',
  'ec2_cpu_utilization_53ea38',
];

interface Point {
  readonly at: number;
  readonly value: number;
}

interface Window {
  readonly from: number;
  readonly to: number;
}

export interface NabCount {
  readonly series: string;
  readonly span: string;
  readonly isOrdered: boolean;
  readonly faults: number;
  readonly hits: number;
  readonly healthy: number;
  readonly falseAlarms: number;
  readonly tooFew: number;
}

export async function countNab(data: string): Promise<readonly NabCount[]> {
  const folder = join(data, 'nab-sensors');
  const labels = JSON.parse(await readFile(join(folder, 'windows.json'), 'utf8')) as Record<
    string,
    [string, string][]
  >;
  const counts: NabCount[] = [];
  for (const series of files) {
    const points = parse(await readFile(join(folder, `${series}.csv`), 'utf8'));
    const faults = labels[`${series}.csv`]!.map(([from, to]) => ({ from: time(from), to: time(to) }));
    for (const [span, lengthMs] of [
      ['a day', 86_400_000],
      ['a week', 7 * 86_400_000],
    ] as const) {
      for (const isOrdered of [false, true]) {
        counts.push({ series, span, isOrdered, ...countSpans(points, { faults, lengthMs, isOrdered }) });
      }
    }
  }
  return counts;
}

function countSpans(
  points: readonly Point[],
  {
    faults,
    lengthMs,
    isOrdered,
  }: { readonly faults: readonly Window[]; readonly lengthMs: number; readonly isOrdered: boolean },
) {
  const learned = Math.floor(points.length * SAMPLE_SHARE);
  const overlaps = (window: Window) => (fault: Window) => fault.from < window.to && fault.to > window.from;
  const sample = points
    .slice(0, learned)
    .filter(({ at }) => !faults.some(overlaps({ from: at, to: at + 1 })));
  const profile = profileOf(
    'value',
    sample.map(({ value }) => value),
    isOrdered,
  );
  const begin = points[learned]!.at;
  const found = new Set<Window>();
  let [healthy, falseAlarms, tooFew] = [0, 0, 0];
  for (let from = begin; from + lengthMs <= points.at(-1)!.at; from += lengthMs) {
    const span = { from, to: from + lengthMs };
    const values = points.filter(({ at }) => at >= span.from && at < span.to).map(({ value }) => value);
    const verdict = verdictOf(profile, values);
    if (verdict === 'too-few') tooFew += 1;
    const within = faults.filter(overlaps(span));
    if (within.length === 0) healthy += 1;
    if (verdict !== 'drift') continue;
    for (const fault of within) found.add(fault);
    if (within.length === 0) falseAlarms += 1;
  }
  return {
    faults: faults.filter(({ to }) => to > begin).length,
    hits: found.size,
    healthy,
    falseAlarms,
    tooFew,
  };
}

function parse(csv: string): readonly Point[] {
  const lines = csv.trim().split('\n').slice(1);
  return lines.map((line) => {
    const [at = '', value] = line.split(',');
    return { at: time(at), value: Number(value) };
  });
}

function time(text: string): number {
  return Date.parse(`${text.replace(' ', 'T').slice(0, 19)}Z`);
}
