/** `modelfleet telemetry`: requests, errors, latency and label error in the field, by version, time, device, group or arm. */
import { Command, Option } from 'commander';
import { ModelTelemetry } from '../../shared/api/telemetry.ts';
import type { FigureRow } from '../../shared/api/telemetry-figures.ts';
import { limits } from '../../shared/base/limits.ts';
import { readPages } from '../all-pages.ts';
import { answerParser } from '../answer-parser.ts';
import type { CliContext } from '../context.ts';
import { wholeNumber } from '../flag-values.ts';
import {
  addBreakdownFlags,
  type BreakdownFlags,
  figureQuery,
  figuresPath,
  parseFigures,
} from './figure-flags.ts';
import { figureColumns, hourText } from './figure-text.ts';
import { addExport } from './telemetry-export.ts';
import { addTail } from './telemetry-tail.ts';
import { failedOf, failureText, labelTitles, refusedText } from './telemetry-text.ts';

const parseAnswer = answerParser(ModelTelemetry);
const ROWS_SHOWN = 200;
const FAILING_SHOWN = 20;
const sorts = ['-failed', 'device'] as const;

interface ShowFlags extends BreakdownFlags {
  readonly sort?: (typeof sorts)[number];
  readonly after?: string;
  readonly limit?: string;
}

export function telemetryCommand(context: CliContext): Command {
  const telemetry = new Command('telemetry').description(
    'show requests, errors and latency of models on devices',
  );
  const show = telemetry
    .command('show')
    .description(
      'show requests, errors, latency and error against labels: one row for each version, or for what --by names',
    );
  addBreakdownFlags(show, 'version')
    .addOption(
      new Option(
        '--sort <ORDER>',
        'with --by device: those with the most failed requests, or all by id (default: -failed)',
      ).choices(sorts),
    )
    .option('--after <CURSOR>', 'start after this cursor, which a list cut by --limit prints')
    .option(
      '--limit <N>',
      `highest number of rows (default: ${ROWS_SHOWN}, of devices that fail ${FAILING_SHOWN})`,
    )
    .action((flags: ShowFlags) =>
      flags.by === undefined && flags.from === undefined && flags.to === undefined
        ? showVersions(flags, context)
        : showBreakdown(flags, context),
    );
  addExport(telemetry, context);
  addTail(telemetry, context);
  return telemetry;
}

/** With the number of devices of each version, for a time up to now. */
async function showVersions(flags: ShowFlags, context: CliContext): Promise<void> {
  const { model, since = '1h' } = flags;
  const { version, group } = figureQuery({ ...flags, since });
  const hub = await context.hub();
  const answer = parseAnswer(await hub.get('/telemetry', { model, version, group, since }));
  const printer = context.printer();
  printer.result(answer, () => {
    if (answer.versions.length === 0) return `No device reported ${model} in the last ${since}.`;
    return printer.table(answer.versions, [
      { title: 'version', value: (v) => v.version },
      { title: 'devices', value: (v) => v.devices, align: 'right' },
      { title: 'requests', value: (v) => v.requests.ok + failedOf(v), align: 'right' },
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
  if (answer.versions.length === 0) printer.note(nothingYetText);
}

async function showBreakdown(flags: ShowFlags, context: CliContext): Promise<void> {
  const { by = 'version', device, sort, after } = flags;
  const limit = limitOf(flags);
  const query = { ...figureQuery(flags), by, sort, after };
  const { rows, next } = await readPages<FigureRow>(await context.hub(), {
    path: figuresPath,
    query,
    limit,
    parse: parseFigures,
  });
  const printer = context.printer();
  printer.result(rows, () => {
    const columns = figureColumns(by, device !== undefined);
    if (rows.length === 0) return emptyText(flags);
    return by === 'hour' || by === 'minute' ? hourText(rows, printer, columns) : printer.table(rows, columns);
  });
  if (rows.length === 0 && !isByFailures(flags)) printer.note(nothingYetText);
  if (next !== undefined) printer.more(next);
}

function limitOf(flags: ShowFlags): number {
  if (flags.limit === undefined) return isByFailures(flags) ? FAILING_SHOWN : ROWS_SHOWN;
  return wholeNumber(flags.limit, '--limit', { min: 1, max: limits.listRowsMax });
}

function isByFailures({ by, sort }: ShowFlags): boolean {
  return by === 'device' && sort !== 'device';
}

function emptyText(flags: ShowFlags): string {
  const { model } = flags;
  return isByFailures(flags)
    ? `No request of ${model} failed on any device in this time span.`
    : `No device reported ${model} in this time span.`;
}

const nothingYetText =
  'Check the name with "modelfleet models list". A device reports at the end of each telemetry window, by default every minute: a model that has just begun to serve is shown after that.';
