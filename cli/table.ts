/** Tables in text: columns as wide as their widest cell, two spaces between, titles in capitals. */
import { safeLine, shorten } from '../shared/base/safe-text.ts';
import type { Column } from './context.ts';

export interface TableLayout {
  /** Columns that are marked wide are shown, and nothing is cut. */
  readonly isWide?: boolean;
  /** Columns of the terminal; undefined in a pipe, where nothing is cut. */
  readonly width?: number | undefined;
  readonly hasHeaders?: boolean;
}

/** On a terminal a longer text would hide all columns after it; `-o wide` shows it whole. */
const CELL_CHARS_MAX = 200;

export function formatTable<T>(
  rows: readonly T[],
  columns: readonly Column<T>[],
  { isWide = false, width, hasHeaders = true }: TableLayout = {},
): readonly string[] {
  const shown = columns.filter((column) => isWide || !column.isWide);
  const cutAt = isWide ? undefined : width;
  const text = (cell: string | number) =>
    cutAt === undefined ? safeLine(String(cell)) : safeLine(String(cell), CELL_CHARS_MAX);
  const cells = [
    ...(hasHeaders ? [shown.map((column) => column.title.toUpperCase())] : []),
    ...rows.map((row) => shown.map((column) => text(column.value(row)))),
  ];
  const widths = shown.map((_, index) =>
    cells.reduce((widest, line) => Math.max(widest, line[index]!.length), 0),
  );
  return cells.map((line) => {
    const padded = line
      .map((cell, index) =>
        shown[index]!.align === 'right' ? cell.padStart(widths[index]!) : cell.padEnd(widths[index]!),
      )
      .join('  ')
      .trimEnd();
    return cutAt === undefined ? padded : shorten(padded, cutAt);
  });
}
