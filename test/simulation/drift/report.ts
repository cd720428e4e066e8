/** Tables of a simulation, as they stand in docs/STATISTICS.md. */
import { driftRule } from '../../../hub/drift/drift-rule.ts';
import { table } from '../statistics-page.ts';
import type { DevicesCount } from './devices.ts';
import type { ClosedSpansCount, OneReadingCount, RepeatedCount } from './false-alarms.ts';
import type { PowerCount } from './power.ts';

export interface Simulation {
  readonly seed: number;
  readonly referenceRows: number;
  readonly oneReading: readonly OneReadingCount[];
  readonly repeated: readonly RepeatedCount[];
  readonly closed: readonly ClosedSpansCount[];
  readonly devices: readonly DevicesCount[];
  readonly power: readonly PowerCount[];
}

const { level } = driftRule;

export function reportOf({
  seed,
  referenceRows,
  oneReading,
  repeated,
  closed,
  devices,
  power,
}: Simulation): string {
  const sizes = [...new Set(oneReading.map(({ size }) => size))];
  return [
    `Made with seed ${seed}. Every run packs a reference of ${referenceRows.toLocaleString('en')} rows with the code of \`models pack\`, 20 cells a column.`,
    '',
    '### False alarms in one reading',
    '',
    'Share of versions **without drift** of which any feature is `watch` or `drift`; in brackets, `drift` alone. Stated: at most 1 %.',
    '',
    ...table(
      ['rows', 'features', 'runs', ...sizes.map((size) => size.toLocaleString('en')), 'level'],
      groups(oneReading, ({ name, effect, features }) => `${name} ${effect} ${features}`).map((counts) => {
        const [{ name, effect, features, runs }] = counts as [OneReadingCount];
        return [
          `${name}${effectText(name, effect)}`,
          String(features),
          String(runs),
          ...counts.map((count) =>
            count.tooFew === runs
              ? 'too few'
              : `${percent(count.watch, runs)} (${percent(count.drift, runs)})`,
          ),
          keeps(
            counts.map(({ watch }) => watch),
            runs,
          ),
        ];
      }),
    ),
    '',
    '### False alarms in repeated readings',
    '',
    'Share of versions without drift that **ever** alarm while 50 rows grow to 20,000, read each time: with the test for one reading, and with the sequential test that gates and the hours of devices are held to. Stated of the latter: at most 1 %.',
    '',
    ...table(
      ['rows', 'features', 'readings', 'runs', 'test for one reading', 'sequential test', 'level'],
      repeated.map(({ name, features, readings, runs, onSingle, onEvery }) => [
        name,
        String(features),
        String(readings),
        String(runs),
        percent(onSingle, runs),
        percent(onEvery, runs),
        keeps([onEvery], runs),
      ]),
    ),
    '',
    '### False alarms in a year',
    '',
    'Share of years without drift in which **any** of 8,760 closed hours or 365 closed days alarms. Stated: at most 1 %.',
    '',
    ...table(
      ['rows', 'features', 'rows an hour', 'years', 'years with an alarm', 'level'],
      closed.map(({ name, features, rowsPerHour, runs, alarmed }) => [
        name,
        String(features),
        String(rowsPerHour),
        String(runs),
        `${alarmed} (${percent(alarmed, runs)})`,
        keeps([alarmed], runs),
      ]),
    ),
    '',
    '`met`: no share is above the level. `met within chance`: a share is above, by no more than a version that keeps the level exceeds it by in one simulation of a hundred.',
    '',
    '### Devices that differ',
    '',
    'Share of columns without drift that are `watch` or `drift`, in brackets `drift` alone, where each device has a mean of its own, 0.3 σ apart, and 500 rows. No level is stated.',
    '',
    ...table(
      ['devices', ...devices.map((count) => String(count.devices))],
      [
        [
          `of ${devices[0]?.runs ?? 0} runs`,
          ...devices.map(({ watch, drift, runs }) => `${percent(watch, runs)} (${percent(drift, runs)})`),
        ],
      ],
    ),
    '',
    '### Power',
    '',
    'Share of runs in which the feature that changed is found, one of eight normal columns of which the others do not change: `watch` or `drift`; in brackets, `drift` alone.',
    '',
    ...groups(power, ({ reading }) => reading).flatMap((counts) => [
      `**${counts[0]!.reading}**`,
      '',
      ...table(
        [
          'change',
          'runs',
          ...[...new Set(counts.map(({ size }) => size))].map((size) => size.toLocaleString('en')),
        ],
        groups(counts, ({ change }) => change).map((row) => [
          row[0]!.change,
          String(row[0]!.runs),
          ...row.map(({ watch, drift, runs }) => `${percent(watch, runs)} (${percent(drift, runs)})`),
        ]),
      ),
      '',
    ]),
  ].join('\n');
}

function groups<T>(items: readonly T[], key: (item: T) => string): readonly (readonly T[])[] {
  return [...Map.groupBy(items, key).values()];
}

function effectText(name: string, effect: OneReadingCount['effect']): string {
  if (!name.startsWith('AR')) return '';
  return {
    none: ', taken as independent',
    true: ', true design effect',
    estimated: ', design effect of block sums',
  }[effect];
}

function percent(count: number, runs: number): string {
  return `${((100 * count) / runs).toFixed(1)} %`;
}

function keeps(counts: readonly number[], runs: number): string {
  const most = Math.max(...counts);
  if (most <= level * runs) return 'met';
  return most <= binomialQuantile(runs) ? 'met within chance' : '**not met**';
}

/** Least count that is exceeded with a chance of at most 1 % when each run alarms with a chance of `level`. */
function binomialQuantile(runs: number): number {
  let chance = (1 - level) ** runs;
  let upTo = chance;
  for (let count = 1; ; count += 1) {
    if (upTo >= 0.99) return count - 1;
    chance *= ((runs - count + 1) / count) * (level / (1 - level));
    upTo += chance;
  }
}
