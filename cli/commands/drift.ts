/** `modelfleet drift`: does what devices see still look like what a version was trained on? */
import { Command } from 'commander';
import { type DeviceDrift, DriftReport, type FeatureDrift } from '../../shared/api/drift.ts';
import { answerParser } from '../answer-parser.ts';
import type { CliContext, Printer } from '../context.ts';
import { countText } from '../count-text.ts';
import { duration } from '../flag-values.ts';
import { labelText } from './telemetry-text.ts';

const parseReport = answerParser(DriftReport);
const DEVICES_SHOWN = 10;

interface ShowFlags {
  readonly model: string;
  readonly version?: string;
  readonly group?: string;
  readonly since: string;
}

export function driftCommand(context: CliContext): Command {
  const drift = new Command('drift').description('show drift of the inputs and outputs of models on devices');
  drift
    .command('show')
    .description('compare inputs and outputs on devices with the sample of the version, worst feature first')
    .requiredOption('--model <MODEL>', 'name of the model')
    .option('--version <VERSION>', 'version to compare (default: the one that most devices run)')
    .option('--group <GROUP>', 'only devices of this group (default: every device)')
    .option('--since <DURATION>', 'time span up to now, such as 10m, 1h or 7d', '1h')
    .action(async ({ model, version, group, since }: ShowFlags) => {
      duration(since, '--since');
      const hub = await context.hub();
      const report = parseReport(await hub.get('/drift', { model, version, group, since }));
      const printer = context.printer();
      printer.result(report, () => describe(report, since, printer));
    });
  return drift;
}

function describe(report: DriftReport, since: string, printer: Printer): readonly string[] {
  const { model, version, verdict, devicesSeen, devicesDrifted, labels } = report;
  const lines = [
    `${model} ${version}, last ${since}: ${verdict} (${countText(devicesSeen, 'device')} reported, ${devicesDrifted} drifted when judged alone)`,
    `chance of a false alarm in one reading of this span: at most ${percent(report.level)}`,
    ...(labels ? [labelText(labels)] : []),
    '',
    ...featureTable(report.features, printer),
  ];
  const odd = report.devices.filter((d) => d.worst && d.verdict !== 'stable');
  if (odd.length > 0) lines.push('', ...deviceTable(odd.slice(0, DEVICES_SHOWN), printer));
  if (odd.length > DEVICES_SHOWN) lines.push(`… and ${odd.length - DEVICES_SHOWN} more devices`);
  return lines;
}

function featureTable(features: readonly FeatureDrift[], printer: Printer): readonly string[] {
  return printer.table(features, [
    { title: 'feature', value: (f) => f.name },
    { title: 'verdict', value: (f) => f.verdict },
    { title: 'n', value: (f) => f.n, align: 'right' },
    { title: 'psi', value: (f) => f.psi.toFixed(3), align: 'right' },
    { title: 'threshold', value: (f) => f.threshold.toFixed(3), align: 'right' },
    { title: 'p', value: (f) => probability(f.p), align: 'right' },
    { title: 'ks d', value: (f) => figure(f.ks?.d), align: 'right' },
    { title: 'mean', value: (f) => number(f.mean), align: 'right' },
    { title: 'was', value: (f) => number(f.referenceMean), align: 'right' },
    { title: 'missing', value: (f) => share(f.missingShare), align: 'right' },
    { title: 'outside', value: (f) => share(f.outsideShare), align: 'right', isWide: true },
    { title: 'independent', value: (f) => Math.round(f.independent), align: 'right', isWide: true },
    { title: 'excess', value: (f) => figure(f.excess), align: 'right', isWide: true },
    { title: 'decile psi', value: (f) => figure(f.psiDeciles), align: 'right', isWide: true },
    { title: 'js (base 2)', value: (f) => figure(f.jensenShannon), align: 'right', isWide: true },
    { title: 'hellinger', value: (f) => figure(f.hellinger), align: 'right', isWide: true },
    { title: 'w1/σ', value: (f) => figure(f.wasserstein), align: 'right', isWide: true },
    { title: 'ks p', value: (f) => probability(f.ks?.p), align: 'right', isWide: true },
    { title: 'χ² p', value: (f) => probability(f.chiSquare?.p), align: 'right', isWide: true },
  ]);
}

function deviceTable(devices: readonly DeviceDrift[], printer: Printer): readonly string[] {
  return printer.table(devices, [
    { title: 'device', value: (d) => d.device },
    { title: 'verdict', value: (d) => d.verdict },
    { title: 'worst feature', value: (d) => d.worst?.name ?? '–' },
    { title: 'psi', value: (d) => d.worst?.psi.toFixed(3) ?? '–', align: 'right' },
  ]);
}

function number(value: number | undefined): string {
  return value === undefined ? '–' : String(Number(value.toPrecision(4)));
}

function figure(value: number | undefined): string {
  return value === undefined ? '–' : value.toFixed(3);
}

function probability(p: number | undefined): string {
  if (p === undefined) return '–';
  return p < 0.001 ? '<0.001' : p.toFixed(3);
}

/** A level, which is seldom a round number of tenths. */
function percent(value: number): string {
  return `${Number((value * 100).toPrecision(2))} %`;
}

function share(value: number): string {
  return `${(value * 100).toFixed(1)} %`;
}
