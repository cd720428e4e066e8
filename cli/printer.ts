/** Output: results on standard output in the format that was asked for, remarks on standard error. */
import { systemClock } from '../platform/system-clock.ts';
import { safeJson, safeLine, safeLines } from '../shared/base/safe-text.ts';
import type { Column, Printer } from './context.ts';
import type { OutputFormat } from './output-format.ts';
import { type Progress, ProgressLine } from './progress.ts';
import { formatTable } from './table.ts';

export interface PrinterProps {
  readonly format: OutputFormat;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Columns of the terminal that results are shown on; undefined in a pipe. */
  readonly width?: number | undefined;
  /** True when standard error is a terminal, on which progress is one line. */
  readonly isErrTerminal?: boolean;
  readonly hasHeaders?: boolean;
  /** No remarks, no progress. */
  readonly isQuiet?: boolean;
  /** Writes YAML; loaded only for `-o yaml`. */
  readonly formatYaml?: (value: unknown) => string;
}

export class StreamPrinter implements Printer {
  readonly isData: boolean;
  readonly isQuiet: boolean;
  readonly width: number | undefined;
  readonly #props: PrinterProps;
  #printed = 0;

  constructor(props: PrinterProps) {
    this.#props = props;
    this.isData = props.format !== 'table' && props.format !== 'wide';
    this.width = this.isData ? undefined : props.width;
    this.isQuiet = this.isData || (props.isQuiet ?? false);
  }

  result(value: unknown, text: () => string | readonly string[], name?: string): void {
    this.#printed += 1;
    this.#props.out(this.#formatted(value, text, name));
  }

  #formatted(value: unknown, text: () => string | readonly string[], name: string | undefined): string {
    const { format } = this.#props;
    if (format === 'json') return `${safeJson(JSON.stringify(value))}\n`;
    if (format === 'yaml') return `${this.#printed > 1 ? '---\n' : ''}${this.#yaml(value)}`;
    if (typeof format === 'object') return format.select(value).map(selectedLine).join('');
    if (format === 'name' && name !== undefined) return safeLines([name]);
    const shown = text();
    return safeLines(typeof shown === 'string' ? [shown] : shown);
  }

  table<T>(rows: readonly T[], columns: readonly Column<T>[]): readonly string[] {
    const { format, width, hasHeaders = true } = this.#props;
    if (format === 'name') return rows.map((row) => safeLine(String(columns[0]!.value(row))));
    return formatTable(rows, columns, { isWide: format === 'wide', width, hasHeaders });
  }

  note(text: string): void {
    if (!this.isQuiet) this.#props.err(safeLines([text]));
  }

  progress(): Progress {
    const { err, isErrTerminal = false } = this.#props;
    return new ProgressLine({ err, isTerminal: isErrTerminal, isQuiet: this.isQuiet, clock: systemClock });
  }

  more(after: string): void {
    const { format, err } = this.#props;
    if (format === 'json') err(`${safeJson(JSON.stringify({ more: { after } }))}\n`);
    else err(safeLines([`There are more: repeat with --after ${after}, or with a larger --limit.`]));
  }

  #yaml(value: unknown): string {
    const { formatYaml } = this.#props;
    if (!formatYaml) throw new Error('this printer was made without YAML');
    return formatYaml(value);
  }
}

function selectedLine(value: unknown): string {
  return typeof value === 'string' ? safeLines([value]) : `${safeJson(JSON.stringify(value))}\n`;
}
