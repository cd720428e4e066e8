/** `modelfleet telemetry`: requests, errors, latency and label error in the field, by version. */
import { Command } from 'commander';
import { type LabelError, ModelTelemetry, type VersionFigures } from '../../shared/api/telemetry.ts';
import { answerParser } from '../answer-parser.ts';
import type { CliContext, Column } from '../context.ts';
import { duration } from '../flag-values.ts';

const parseAnswer = answerParser(ModelTelemetry);
const CONFUSED_SHOWN = 5;

interface ShowFlags {
  readonly model: string;
  readonly version?: string;
  readonly group?: string;
  readonly since: string;
}

export function telemetryCommand(context: CliContext): Command {
  const telemetry = new Command('telemetry').description(
    'show requests, errors and latency of models on devices',
  );
  telemetry
    .command('show')
    .description('show requests, errors, latency and error against labels, by version')
    .requiredOption('--model <MODEL>', 'name of the model')
    .option('--version <VERSION>', 'only this version (default: all)')
    .option('--group <GROUP>', 'only devices of this group (default: every device)')
    .option('--since <DURATION>', 'time span up to now, such as 10m, 1h or 7d', '1h')
    .action(async ({ model, version, group, since }: ShowFlags) => {
      duration(since, '--since');
      const hub = await context.hub();
      const answer = parseAnswer(await hub.get('/telemetry', { model, version, group, since }));
      const printer = context.printer();
      printer.result(answer, () => {
        if (answer.versions.length === 0) return `No device reported ${model} in the last ${since}.`;
        return printer.table(answer.versions, [
          { title: 'version', value: (v) => v.version },
          { title: 'devices', value: (v) => v.devices, align: 'right' },
          { title: 'requests', value: (v) => v.requests.ok + failures(v), align: 'right' },
          { title: 'failed', value: failureText },
          { title: 'refused', value: refusedText },
          { title: 'crashes', value: (v) => v.crashes, align: 'right' },
          { title: 'p50 ms', value: (v) => v.latencyMs?.p50.toFixed(2) ?? '–', align: 'right' },
          { title: 'p95 ms', value: (v) => v.latencyMs?.p95.toFixed(2) ?? '–', align: 'right' },
          { title: 'p99 ms', value: (v) => v.latencyMs?.p99.toFixed(2) ?? '–', align: 'right' },
          ...labelTitles,
          { title: 'windows lost', value: (v) => v.dropped, align: 'right' },
        ]);
      });
    });
  return telemetry;
}

export const labelTitles: readonly Column<VersionFigures>[] = [
  { title: 'against labels', value: (v) => (v.labels ? labelText(v.labels) : '–') },
  { title: 'labelled', value: labelledText, align: 'right' },
  { title: 'confused most often', value: confusedText, isWide: true },
];

/** The label error in words: `MAE 0.412, RMSE 0.553, bias -0.1 over 120 labels`. */
export function labelText(labels: LabelError): string {
  return `${errorsOf(labels).join(', ')} over ${labels.n} labels`;
}

function errorsOf(labels: LabelError): readonly string[] {
  if (labels.kind === 'regression') {
    const { mae, rmse, bias } = labels;
    return [
      `MAE ${mae.toPrecision(3)}`,
      `RMSE ${rmse.toPrecision(3)}`,
      ...(bias === undefined ? [] : [`bias ${bias.toPrecision(3)}`]),
    ];
  }
  const { accuracy, calibration } = labels;
  return [
    `accuracy ${(accuracy * 100).toFixed(1)} %`,
    ...(calibration ? [`calibration error ${(calibration.error * 100).toFixed(1)} %`] : []),
  ];
}

/** Share of answered requests that got a label. */
function labelledText({ labelledShare }: VersionFigures): string {
  return labelledShare === undefined ? '–' : `${(labelledShare * 100).toFixed(1)} %`;
}

/** `dog as cat 7, cat as bird 2`: the actual class first. */
function confusedText({ labels }: VersionFigures): string {
  if (labels?.kind !== 'classification' || !labels.confusion) return '–';
  const { classes, counts } = labels.confusion;
  const wrong = counts.flatMap((row, actual) =>
    row.flatMap((n, predicted) =>
      n > 0 && actual !== predicted ? [{ n, text: `${classes[actual]} as ${classes[predicted]} ${n}` }] : [],
    ),
  );
  const most = wrong.sort((a, b) => b.n - a.n).slice(0, CONFUSED_SHOWN);
  return most.length === 0 ? '–' : most.map(({ text }) => text).join(', ');
}

function failures({ requests }: VersionFigures): number {
  return Object.values(requests.failed).reduce((sum, n) => sum + n, 0);
}

/** `12 (3 fitted the version before)`. */
function refusedText({ requests: { refused } }: VersionFigures): string {
  return refused.fitBefore === 0
    ? String(refused.all)
    : `${refused.all} (${refused.fitBefore} fitted the version before)`;
}

function failureText(version: VersionFigures): string {
  const codes = Object.entries(version.requests.failed).sort((a, b) => b[1] - a[1]);
  return codes.length === 0 ? '0' : codes.map(([code, n]) => `${n} ${code}`).join(', ');
}
