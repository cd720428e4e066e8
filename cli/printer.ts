/** Output: results on standard output (text or JSON), remarks on standard error. */
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

  result(value: unknown, text: () => string): void {
    if (this.json) {
      this.#out(`${JSON.stringify(value)}\n`);
      return;
    }
    const lines = text();
    if (lines !== '') this.#out(lines.endsWith('\n') ? lines : `${lines}\n`);
  }

  table<T>(rows: readonly T[], columns: readonly Column<T>[]): string {
    return formatTable(rows, columns);
  }

  note(text: string): void {
    if (!this.json) this.#err(`${text}\n`);
  }
}

/** Columns as wide as their widest cell, two spaces between; titles in capitals. */
export function formatTable<T>(rows: readonly T[], columns: readonly Column<T>[]): string {
  const cells = [
    columns.map((column) => column.title.toUpperCase()),
    ...rows.map((row) => columns.map((column) => printable(String(column.value(row))))),
  ];
  const widths = columns.map((_, index) =>
    cells.reduce((widest, line) => Math.max(widest, line[index]!.length), 0),
  );
  return cells
    .map((line) =>
      line
        .map((cell, index) =>
          columns[index]!.align === 'right' ? cell.padStart(widths[index]!) : cell.padEnd(widths[index]!),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Text from devices and models must not move the cursor of a terminal. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, '?');
}
