/** `modelfleet telemetry tail`: the figures of each minute as it ends, until the command is interrupted. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Command } from 'commander';
import { FigurePage, type FigureRow } from '../../shared/api/telemetry-figures.ts';
import { answerParser } from '../answer-parser.ts';
import type { CliContext, Column, HubClient, Printer } from '../context.ts';
import { duration } from '../flag-values.ts';
import { HubRetry } from '../hub-retry.ts';
import { timeText } from '../time-text.ts';
import { addFigureFlags, type FigureFlags, figuresPath } from './figure-flags.ts';
import { figureColumns } from './figure-text.ts';

const parsePage = answerParser(FigurePage);
/** Shown of what came before the command was started. */
const BEFORE_MS = 10 * 60_000;

interface TailFlags extends FigureFlags {
  readonly every: string;
  readonly giveUp: string;
}

export function addTail(telemetry: Command, context: CliContext): void {
  const command = telemetry
    .command('tail')
    .description('print the figures of each minute as it ends, beginning with the last ten; Ctrl-C ends it');
  addFigureFlags(command)
    .option('--every <DURATION>', 'time between two requests to the hub', '5s')
    .option('--give-up <DURATION>', 'time without an answer of the hub after which the command ends', '15m')
    .action(async ({ every, giveUp, ...filter }: TailFlags) => {
      const everyMs = duration(every, '--every');
      const giveUpMs = duration(giveUp, '--give-up');
      await tail({ hub: await context.hub(), filter, printer: context.printer(), everyMs, giveUpMs });
    });
}

export interface Tail {
  readonly hub: Pick<HubClient, 'get'>;
  readonly filter: FigureFlags;
  readonly printer: Printer;
  readonly everyMs: number;
  /** How long the hub may not answer. */
  readonly giveUpMs: number;
  readonly signal?: AbortSignal;
}

/** Returns when `signal` is aborted. Throws what a repetition cannot mend. */
export async function tail({ hub, filter, printer, everyMs, giveUpMs, signal }: Tail): Promise<void> {
  const columns = figureColumns('minute');
  const retry = new HubRetry({ printer, giveUpMs });
  // Of each version, the last minute that was shown.
  const shown = new Map<string, number>();
  let fromMs: number | undefined;
  while (!signal?.aborted) {
    const { value, retryMs } = await retry.attempt(() => endedMinutes(hub, filter, fromMs));
    if (value) {
      const fresh = value.rows.filter((row) => row.fromMs! > (shown.get(row.version) ?? 0));
      for (const row of fresh) shown.set(row.version, row.fromMs!);
      show(fresh, printer, columns, fromMs === undefined);
      fromMs = value.toMs - BEFORE_MS;
    }
    await wait(Math.max(everyMs, retryMs), undefined, signal ? { signal } : {}).catch(() => undefined);
  }
}

/** By the hub's clock: later reports are still added to the minute that it is in. */
async function endedMinutes(
  hub: Tail['hub'],
  { model, version, group }: FigureFlags,
  fromMs: number | undefined,
): Promise<{ readonly rows: readonly FigureRow[]; readonly toMs: number }> {
  const rows: FigureRow[] = [];
  const since = fromMs === undefined ? `${BEFORE_MS / 60_000}m` : undefined;
  for (let after: string | undefined; ; ) {
    const query = { model, version, group, by: 'minute', since, fromMs, after, limit: 500 };
    const page = parsePage(await hub.get(figuresPath, query));
    rows.push(...page.rows.filter((row) => row.toMs! <= page.toMs));
    if (page.next === undefined) return { rows, toMs: page.toMs };
    after = page.next;
  }
}

/** One document for each row where results are data, so that a program can read each as it comes. */
function show(
  rows: readonly FigureRow[],
  printer: Printer,
  columns: readonly Column<FigureRow>[],
  isFirst: boolean,
): void {
  if (printer.isData) {
    for (const row of rows) printer.result(row, () => '', `${timeText(row.fromMs!)} ${row.version}`);
  } else if (rows.length > 0 || isFirst) {
    const [titles, ...lines] = printer.table(rows, columns);
    printer.result(rows, () => (isFirst ? [titles ?? '', ...lines] : lines));
  }
}
