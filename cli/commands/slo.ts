/** `modelfleet slo`: objectives of models, and what is left of their error budgets. */
import { Command } from 'commander';
import { type ErrorBudget, type Objectives, SloPage, SloStatus } from '../../shared/api/slos.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { formatDuration } from '../../shared/base/duration.ts';
import { readPages } from '../all-pages.ts';
import { answerParser } from '../answer-parser.ts';
import type { CliContext, Printer } from '../context.ts';
import { duration, share, wholeNumber } from '../flag-values.ts';

const parseStatus = answerParser(SloStatus);
const parsePage = answerParser(SloPage);
const GROUP_TEXT = 'only devices of this group (default: every device)';

interface GroupFlag {
  readonly group?: string;
}

interface SetFlags extends GroupFlag {
  readonly availability?: string;
  readonly latency?: string;
  readonly latencyLimit?: string;
  readonly accuracy?: string;
  readonly freshness?: string;
  readonly freshWithin?: string;
  readonly drift?: boolean;
  readonly minRequests?: string;
}

export function sloCommand(context: CliContext): Command {
  const slo = new Command('slo').description('show and set objectives of models, and their error budgets');
  slo
    .command('show')
    .description('show what is left of the error budgets, of every model or of one with its burn rates')
    .argument('[model]', 'name of the model (default: every model)')
    .option('--group <GROUP>', GROUP_TEXT)
    .action(async (model: string | undefined, { group }: GroupFlag) => {
      const hub = await context.hub();
      const printer = context.printer();
      if (model !== undefined) {
        const status = parseStatus(await hub.get(pathOf(model, group)));
        printer.result(status, () => statusText(status, printer), model);
        return;
      }
      const parse = (answer: unknown) => {
        const { slos: rows, next } = parsePage(answer);
        return { rows, next };
      };
      const { rows } = await readPages(hub, { path: '/slos', parse });
      printer.result(rows, () => overview(rows, printer));
    });
  slo
    .command('set')
    .description('set all objectives of a model; those that are left out are not watched')
    .argument('<model>', 'name of the model')
    .option('--group <GROUP>', GROUP_TEXT)
    .option('--availability <SHARE>', 'share of requests that must be answered, such as 99.9%')
    .option('--latency <SHARE>', 'share of answers that must come within --latency-limit')
    .option('--latency-limit <DURATION>', 'longest time that an answer may take, such as 40ms')
    .option('--accuracy <SHARE>', 'share of labels that must agree with the answer; classification only')
    .option('--freshness <SHARE>', 'share of devices that must send telemetry within --fresh-within')
    .option('--fresh-within <DURATION>', 'longest time without telemetry, such as 15m')
    .option('--drift', 'alert on drift')
    .option('--min-requests <N>', 'requests that a window needs before its burn rate counts (default: 30)')
    .action(async (model: string, flags: SetFlags) => {
      const objectives = objectivesOf(flags);
      const status = parseStatus(await (await context.hub()).put(pathOf(model, flags.group), objectives));
      const printer = context.printer();
      printer.result(status, () => statusText(status, printer), model);
    });
  slo
    .command('reset')
    .description('use the objectives of the manifest again')
    .argument('<model>', 'name of the model')
    .option('--group <GROUP>', GROUP_TEXT)
    .action(async (model: string, { group }: GroupFlag) => {
      await (await context.hub()).delete(pathOf(model, group));
      context
        .printer()
        .result(
          { reset: model, ...(group === undefined ? {} : { group }) },
          () =>
            group === undefined
              ? `Model "${model}" has the objectives of its manifest.`
              : `Of objectives, model "${model}" has none of its own in group "${group}".`,
          model,
        );
    });
  return slo;
}

function objectivesOf(flags: SetFlags): Objectives {
  const { availability, latency, latencyLimit, accuracy, freshness, freshWithin, drift, minRequests } = flags;
  requireBoth({ '--latency': latency, '--latency-limit': latencyLimit });
  requireBoth({ '--freshness': freshness, '--fresh-within': freshWithin });
  const target = (text: string, flag: string) => ({ target: share(text, flag) });
  return {
    ...(availability === undefined ? {} : { availability: target(availability, '--availability') }),
    ...(latency === undefined || latencyLimit === undefined
      ? {}
      : {
          latency: {
            ...target(latency, '--latency'),
            limitMs: duration(latencyLimit, '--latency-limit'),
          },
        }),
    ...(accuracy === undefined ? {} : { accuracy: target(accuracy, '--accuracy') }),
    ...(freshness === undefined || freshWithin === undefined
      ? {}
      : {
          freshness: {
            ...target(freshness, '--freshness'),
            withinMs: duration(freshWithin, '--fresh-within'),
          },
        }),
    ...(drift ? { drift } : {}),
    ...(minRequests === undefined
      ? {}
      : { requestsMin: wholeNumber(minRequests, '--min-requests', { min: 1, max: 999_999_999 }) }),
  };
}

function requireBoth(flags: Readonly<Record<string, string | undefined>>): void {
  const given = Object.values(flags).filter((value) => value !== undefined).length;
  if (given === 1)
    throw new AppError('bad_usage', `Cannot use ${Object.keys(flags).join(' without ')}: give both or none.`);
}

function overview(rows: readonly SloStatus[], printer: Printer): readonly string[] {
  const budgets = rows.flatMap(({ model, group, budgets: of }) =>
    of.map((budget) => ({ model, group, ...budget })),
  );
  return printer.table(budgets, [
    { title: 'model', value: (row) => row.model },
    { title: 'group', value: (row) => row.group ?? 'all' },
    ...budgetColumns<(typeof budgets)[number]>(),
  ]);
}

function statusText(status: SloStatus, printer: Printer): readonly string[] {
  const { model, group, source, objectives, budgets, freshness, drift } = status;
  const from = source === 'set' ? 'objectives were set' : 'objectives are those of the manifest';
  const what = group === undefined ? model : `${model} in group ${group}`;
  if (budgets.length === 0 && !freshness && !objectives.drift) return [`${what}: ${from}; there are none`];
  return [
    `${what}: ${from}`,
    ...(budgets.length > 0 ? ['', ...printer.table(budgets, budgetColumns<ErrorBudget>())] : []),
    ...budgets.flatMap((budget) => ['', ...windowTable(budget, printer)]),
    ...(freshness
      ? [
          '',
          `freshness: ${freshness.fresh} of ${freshness.devices} devices sent telemetry in the last ${formatDuration(freshness.withinMs)}; target ${percent(freshness.target)}${freshness.known ? '' : ' (the hub has not run for that long)'}`,
        ]
      : []),
    ...(objectives.drift
      ? [
          '',
          ...(drift ?? []).map(
            ({ version, span, verdict }) => `drift of ${version} in the last ${span}: ${verdict}`,
          ),
          ...(drift ? [] : ['drift is not assessed yet']),
        ]
      : []),
  ];
}

function windowTable({ objective, windows }: ErrorBudget, printer: Printer): readonly string[] {
  return printer.table(windows, [
    { title: objective, value: (row) => `last ${formatDuration(row.windowMs)}` },
    { title: 'burn rate', value: (row) => row.burnRate.toFixed(2), align: 'right' },
    { title: 'bad', value: (row) => row.bad, align: 'right' },
    { title: 'all', value: (row) => row.all, align: 'right' },
  ]);
}

function budgetColumns<Row extends ErrorBudget>() {
  return [
    { title: 'objective', value: (row: Row) => row.objective },
    { title: 'target', value: (row: Row) => percent(row.target), align: 'right' },
    { title: 'budget left', value: (row: Row) => percent(row.left), align: 'right' },
    { title: 'bad', value: (row: Row) => row.bad, align: 'right' },
    { title: 'all', value: (row: Row) => row.all, align: 'right' },
    { title: 'period', value: (row: Row) => formatDuration(row.periodMs) },
  ] as const;
}

function percent(value: number): string {
  return `${Number((value * 100).toFixed(2))} %`;
}

function pathOf(model: string, group: string | undefined): string {
  const query = group === undefined ? '' : `?group=${encodeURIComponent(group)}`;
  return `/slos/${encodeURIComponent(model)}${query}`;
}
