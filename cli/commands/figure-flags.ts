/** The options that say which figures of a model are shown, exported or followed. */
import { type Command, Option } from 'commander';
import {
  type Breakdown,
  breakdowns,
  FigurePage,
  type FigureRow,
} from '../../shared/api/telemetry-figures.ts';
import { AppError } from '../../shared/base/app-error.ts';
import type { Page } from '../all-pages.ts';
import { answerParser } from '../answer-parser.ts';
import { duration, pointInTime } from '../flag-values.ts';

export const figuresPath = '/telemetry/figures';

export interface FigureFlags {
  readonly model: string;
  readonly version?: string;
  readonly group?: string;
}

export interface BreakdownFlags extends FigureFlags {
  readonly by?: Breakdown;
  readonly device?: string;
  readonly since?: string;
  readonly from?: string;
  readonly to?: string;
}

export function addFigureFlags(command: Command): Command {
  return command
    .requiredOption('--model <MODEL>', 'name of the model')
    .option('--version <VERSION>', 'only this version (default: all)')
    .option('--group <GROUP>', 'only devices of this group (default: every device)');
}

/** `byDefault` is what a row is without `--by`. */
export function addBreakdownFlags(command: Command, byDefault: Breakdown): Command {
  return addFigureFlags(command)
    .addOption(
      new Option(
        '--by <WHAT>',
        `what a row is; arm: devices with the version of a rollout, those that wait for it, the rest (default: ${byDefault})`,
      ).choices([...breakdowns]),
    )
    .option('--device <ID>', 'only this device; requires --by hour')
    .addOption(
      new Option(
        '--since <DURATION>',
        'time span up to now, such as 10m, 1h or 7d (default: 1h, by hour 1d)',
      ).conflicts('from'),
    )
    .option('--from <TIME>', 'start of the time span, such as 2027-01-31T00:00:00Z')
    .option('--to <TIME>', 'end of the time span (default: now)');
}

/** What the hub is asked with. Throws `bad_usage` for a value that cannot be read. */
export function figureQuery({ model, version, group, by, device, since, from, to }: BreakdownFlags) {
  if (since !== undefined) duration(since, '--since');
  if (device !== undefined && by !== 'hour') {
    throw new AppError('bad_usage', 'Cannot use --device without --by hour.');
  }
  return {
    model,
    version,
    group,
    by,
    device,
    since,
    fromMs: from === undefined ? undefined : pointInTime(from, '--from'),
    toMs: to === undefined ? undefined : pointInTime(to, '--to'),
  };
}

export const parseFigurePage = answerParser(FigurePage);

export function parseFigures(answer: unknown): Page<FigureRow> {
  const { rows, next } = parseFigurePage(answer);
  return { rows, next };
}
