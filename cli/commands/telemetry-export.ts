/** `modelfleet telemetry export`: figures in a file for other programs, read and written page by page. */
import { createWriteStream } from 'node:fs';
import { rename } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Command, Option } from 'commander';
import { eachRow } from '../all-pages.ts';
import type { CliContext } from '../context.ts';
import { countText } from '../count-text.ts';
import { type ExportFormat, exportFormats, exportLines } from './figure-files.ts';
import {
  addBreakdownFlags,
  type BreakdownFlags,
  figureQuery,
  figuresPath,
  parseFigures,
} from './figure-flags.ts';

interface ExportFlags extends BreakdownFlags {
  readonly format: ExportFormat;
  readonly out: string;
}

/** For `--out`. */
const STANDARD_OUTPUT = '-';

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
  const rows = async function* (hub: Awaited<ReturnType<CliContext['hub']>>) {
    for await (const row of eachRow(hub, { path: figuresPath, query, parse: parseFigures })) {
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
