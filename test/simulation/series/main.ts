/**
 * `npm run simulate:series [-- --print]`: drift verdicts over measured series, into docs/STATISTICS.md, or onto the terminal with
 * `--print`. Reads the folder that MODELFLEET_TEST_DATA names; takes seconds.
 */
import { parseArgs } from 'node:util';
import { channels } from '../../../demo/gas-sensors/reading.ts';
import { table, writeSection } from '../statistics-page.ts';
import { countAirQuality, learnedFrom, learnedTo, type MonthCount } from './air-quality.ts';
import { countNab, type NabCount } from './nab-sensors.ts';

const { values } = parseArgs({ options: { print: { type: 'boolean', default: false } } });
const data = process.env['MODELFLEET_TEST_DATA'];
if (!data)
  throw new Error('simulate:series: set MODELFLEET_TEST_DATA to the folder with the measured series.');
const report = [...nabTables(await countNab(data)), '', ...airTable(await countAirQuality(data))].join('\n');
if (values.print) console.log(report);
else await writeSection('simulate:series', report);

function nabTables(counts: readonly NabCount[]): readonly string[] {
  return [
    '### Machines with labelled faults',
    '',
    'NAB: the profile is of the first 15 % of each series, without its labelled windows; every span that follows is one reading. A fault is hit when a span that',
    'overlaps it is `drift`; a false alarm is a span of `drift` outside of all faults.',
    '',
    ...table(
      ['series', 'span', 'sample', 'faults hit', 'false alarms', 'too few'],
      counts.map(({ series, span, isOrdered, faults, hits, healthy, falseAlarms, tooFew }) => [
        series,
        span,
        isOrdered ? 'ordered' : 'no order',
        `${hits} of ${faults}`,
        `${falseAlarms} of ${healthy}`,
        String(tooFew),
      ]),
    ),
  ];
}

function airTable(counts: readonly MonthCount[]): readonly string[] {
  return [
    '### A year of gas sensors',
    '',
    `UCI Air Quality by month, against a profile of ${learnedFrom} to ${learnedTo} (exclusive), one reading each; the error is that of the model trained then, by the reference`,
    'analyser. With an ordered sample:',
    '',
    ...table(
      ['month', ...channels, 'mean error, mg/m³', 'labels'],
      counts.map(({ month, verdictsOrdered, error, labels }) => [
        month,
        ...verdictsOrdered,
        error.toFixed(2),
        labels.toLocaleString('en'),
      ]),
    ),
    '',
    'The same without an order of the sample:',
    '',
    ...table(
      ['month', ...channels],
      counts.map(({ month, verdicts }) => [month, ...verdicts]),
    ),
  ];
}
