/** Output: results on standard output (text or JSON), remarks on standard error. */
import { safeJson, safeLine, safeLines } from '../shared/base/safe-text.ts';
import type { Column, Printer } from './context.ts';

export interface PrinterProps {
  readonly json: boolean;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

export class StreamPrinter implements Printer {
  readonly json: boolean;
  readonly #out: (text: string) => void;
  readonly #err: (text: string) => void;

  constructor({ json, out, err }: PrinterProps) {
    this.json = json;
    this.#out = out;
    this.#err = err;
  }

  result(value: unknown, text: () => string | readonly string[]): void {
    if (this.json) {
      this.#out(`${safeJson(JSON.stringify(value))}\n`);
      return;
    }
    const shown = text();
    this.#out(safeLines(typeof shown === 'string' ? [shown] : shown));
  }

  table<T>(rows: readonly T[], columns: readonly Column<T>[]): readonly string[] {
    return formatTable(rows, columns);
  }

  note(text: string): void {
    if (!this.json) this.#err(safeLines([text]));
  }

  more(after: string): void {
    if (this.json) this.#err(`${safeJson(JSON.stringify({ more: { after } }))}\n`);
    else this.note(`There are more: repeat with --after ${after}, or with a larger --limit.`);
  }
}

/** A longer text would push all columns after it off the screen; `--json` has it whole. */
const CELL_CHARS_MAX = 200;

/** Columns as wide as their widest cell, two spaces between; titles in capitals. */
export function formatTable<T>(rows: readonly T[], columns: readonly Column<T>[]): readonly string[] {
  const cells = [
    columns.map((column) => column.title.toUpperCase()),
    ...rows.map((row) => columns.map((column) => safeLine(String(column.value(row)), CELL_CHARS_MAX))),
  ];
  const widths = columns.map((_, index) =>
    cells.reduce((widest, line) => Math.max(widest, line[index]!.length), 0),
  );
  return cells.map((line) =>
    line
      .map((cell, index) =>
        columns[index]!.align === 'right' ? cell.padStart(widths[index]!) : cell.padEnd(widths[index]!),
      )
      .join('  ')
      .trimEnd(),
  );
}
