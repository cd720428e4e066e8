/** `modelfleet telemetry export`: figures in a file for other programs, read and written page by page. */
import { createWriteStream } from 'node:fs';
import { rename } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Command, Option } from 'commander';
import type { FigureRow } from '../../shared/api/telemetry-figures.ts';
import type { CliContext, HubClient } from '../context.ts';
import { countText } from '../count-text.ts';
import { type ExportFormat, exportFormats, exportLines } from './figure-files.ts';
import {
  addBreakdownFlags,
  type BreakdownFlags,
  figureQuery,
  figuresPath,
  parseFigurePage,
} from './figure-flags.ts';

interface ExportFlags extends BreakdownFlags {
  readonly format: ExportFormat;
  readonly out: string;
}

/** For `--out`. */
const STANDARD_OUTPUT = '-';
const PAGE_ROWS = 500;

export function addExport(telemetry: Command, context: CliContext): void {
  const command = telemetry
    .command('export')
    .description('write figures to a file, as CSV or as JSON with a row on each line')
    .requiredOption('--out <FILE>', 'file to write, - for standard output')
    .addOption(new Option('--format <FORMAT>', 'format of the file').choices(exportFormats).default('csv'));
  addBreakdownFlags(command, 'hour').action((flags: ExportFlags) => exportFigures(flags, context));
}

async function exportFigures(
  { format, out, by = 'hour', ...flags }: ExportFlags,
  context: CliContext,
): Promise<void> {
  const query = { ...figureQuery({ ...flags, by }), sort: by === 'device' ? 'device' : undefined };
  let count = 0;
  const rows = async function* (hub: HubClient) {
    for await (const row of eachFigure(hub, query)) {
      count += 1;
      yield row;
    }
  };
  const lines = Readable.from(exportLines(format, flags.model, rows(await context.hub())));
  if (out === STANDARD_OUTPUT) {
    await pipeline(lines, process.stdout, { end: false });
    return;
  }
  const partial = `${out}.partial`;
  await pipeline(lines, createWriteStream(partial, { mode: 0o600 }));
  await rename(partial, out);
  context
    .printer()
    .result(
      { file: out, rows: count },
      () => `${countText(count, 'row')} ${count === 1 ? 'is' : 'are'} in ${out}.`,
    );
}

type Query = NonNullable<Parameters<HubClient['get']>[1]>;

/**
 * Each row as it comes, so that figures of any length take the memory of a page. Every page is of the time span of the first one: by
 * `since` alone, the span would move on while pages are read, and rows of one file be of different hours.
 */
export async function* eachFigure(hub: Pick<HubClient, 'get'>, query: Query): AsyncGenerator<FigureRow> {
  let next = query;
  for (;;) {
    const page = parseFigurePage(await hub.get(figuresPath, { ...next, limit: PAGE_ROWS }));
    yield* page.rows;
    if (page.next === undefined) return;
    next = { ...query, since: undefined, fromMs: page.fromMs, toMs: page.toMs, after: page.next };
  }
}
