/** Lists as commands show them: page after page of the hub, up to a limit, and where the list goes on. */
import type { Command } from 'commander';
import { limits } from '../shared/base/limits.ts';
import { type ListRequest, readPages } from './all-pages.ts';
import type { CliContext, Printer } from './context.ts';
import { wholeNumber } from './flag-values.ts';

export interface PageFlags {
  readonly after?: string;
  readonly limit?: string;
  readonly sort?: string;
}

/** `sorts`: what the list can be sorted by, the default first, with its `-`. `limitDefault` absent: all rows. */
export function addPageFlags(command: Command, sorts: readonly string[], limitDefault?: number): Command {
  // A default that commander knows it says itself.
  const limit =
    limitDefault === undefined ? 'highest number of rows (default: all)' : 'highest number of rows';
  const [byDefault] = sorts;
  const names = sorts.map((sort) => sort.replace(/^-/, ''));
  return command
    .option(
      '--sort <ORDER>',
      `sort by ${names.join(' or ')}, descending with a - before it (default: ${byDefault})`,
    )
    .option('--after <CURSOR>', 'start after this cursor, which a list cut by --limit prints')
    .option('--limit <N>', limit, limitDefault === undefined ? undefined : String(limitDefault));
}

/** Throws `bad_usage` for a limit that is none. */
export async function showList<T>(
  context: CliContext,
  { flags, query, ...request }: Omit<ListRequest<T>, 'limit'> & { readonly flags: PageFlags },
  table: (printer: Printer, rows: readonly T[]) => string | readonly string[],
): Promise<void> {
  const limit =
    flags.limit === undefined
      ? undefined
      : wholeNumber(flags.limit, '--limit', { min: 1, max: limits.listRowsMax });
  const { rows, next } = await readPages(await context.hub(), {
    ...request,
    query: { ...query, sort: flags.sort, after: flags.after },
    limit,
  });
  const printer = context.printer();
  printer.result(rows, () => table(printer, rows));
  if (next !== undefined) printer.more(next);
}
