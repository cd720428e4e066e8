/**
 * `npm run simulate:drift [-- --seed N] [--share S] [--print]`: false alarms and power of drift verdicts, into docs/STATISTICS.md.
 * `--share 0.1` makes a tenth of the runs; `--print` writes to the terminal instead. Takes a quarter of an hour of one core.
 */
import { parseArgs } from 'node:util';
import { driftRule } from '../../../hub/drift/drift-rule.ts';
import { closedSpans } from '../../../hub/drift/reading-levels.ts';
import { writeSection } from '../statistics-page.ts';
import { countDevices } from './devices.ts';
import { discrete, heavyTies, lognormal, manyCategories, normal, shiftedNormal } from './distributions.ts';
import { countClosedSpans, countOneReading, countRepeatedReadings } from './false-alarms.ts';
import { countPower } from './power.ts';
import { reportOf, type Simulation } from './report.ts';

const sizes = [50, 100, 500, 5_000, 50_000];
const referenceRows = 2_000;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '20261127' },
    share: { type: 'string', default: '1' },
    print: { type: 'boolean', default: false },
  },
});
const report = reportOf(simulate(Number(values.seed), Number(values.share)));
if (values.print) console.log(report);
else await writeSection('simulate:drift', report);

function simulate(seed: number, share: number): Simulation {
  const study = (name: string, runs: number) => {
    process.stderr.write(`simulate:drift: ${name}, seed ${seed} …\n`);
    return { name, seed, referenceRows, runs: Math.max(1, Math.round(runs * share)) };
  };
  const columns = [normal, lognormal, discrete, heavyTies];
  const [hour] = closedSpans;
  return {
    seed,
    referenceRows,
    oneReading: [
      ...columns.flatMap((distribution) =>
        countOneReading(
          { ...study(distribution.name, 2_000), rows: { distribution } },
          { sizes, widths: [8, 20] },
        ),
      ),
      ...countOneReading(
        { ...study(manyCategories.name, 500), rows: { distribution: manyCategories } },
        { sizes, widths: [8, 20] },
      ),
      ...countOneReading(
        { ...study('AR(1), ρ = 0.9', 500), rows: { rho: 0.9 } },
        { sizes, widths: [8, 20], effects: ['none', 'true', 'estimated'] },
      ),
    ],
    repeated: [normal, discrete].map((distribution) =>
      countRepeatedReadings(
        {
          ...study(`${distribution.name}, repeated`, 1_000),
          name: distribution.name,
          rows: { distribution },
        },
        { sizes: growing(50, 20_000), features: 8 },
      ),
    ),
    closed: [normal, discrete].map((distribution) =>
      countClosedSpans(
        { ...study(`${distribution.name}, a year`, 100), name: distribution.name, rows: { distribution } },
        { rowsPerHour: 100, features: 8, days: 365 },
      ),
    ),
    devices: countDevices({
      ...study('devices', 500),
      devices: [2, 5, 10, 20, 50],
      rowsPerDevice: 500,
      spread: 0.3,
    }),
    power: countPower({
      ...study('power', 500),
      changes: [
        { name: 'mean + 0.1 σ', distribution: shiftedNormal(0.1, 1) },
        { name: 'mean + 0.25 σ', distribution: shiftedNormal(0.25, 1) },
        { name: 'mean + 0.5 σ', distribution: shiftedNormal(0.5, 1) },
        { name: 'scale × 1.5', distribution: shiftedNormal(0, 1.5) },
        { name: 'missing 0 → 5 %', distribution: normal, missing: 0.05 },
      ],
      readings: [
        { name: 'One reading', isRepeated: false, level: driftRule.level },
        { name: 'Every reading of growing counts', isRepeated: true, level: driftRule.level },
        { name: 'A closed hour', isRepeated: false, level: hour!.level },
      ],
      sizes,
      features: 8,
    }),
  };
}

/** Sizes from `first` to `last`, each 50 rows or a tenth more than the one before. */
function growing(first: number, last: number): readonly number[] {
  const sizes = [first];
  while (sizes.at(-1)! < last)
    sizes.push(Math.min(last, Math.max(sizes.at(-1)! + 50, Math.round(sizes.at(-1)! * 1.1))));
  return sizes;
}
