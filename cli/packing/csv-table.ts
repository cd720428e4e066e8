/** A CSV file as named columns of text. The file is untrusted: bytes, rows and shape are bounded before use. */
import { CsvError, parse } from 'csv-parse/sync';
import { AppError } from '../../shared/base/app-error.ts';
import { formatBytes } from '../../shared/base/bytes.ts';
import { limits } from '../../shared/base/limits.ts';

export interface CsvOptions {
  readonly delimiter?: string | undefined;
  readonly skipLines?: number | undefined;
  readonly header?: boolean | undefined;
  readonly missing?: readonly (number | string)[] | undefined;
}

export class CsvTable {
  readonly columns: readonly string[];
  readonly #rows: readonly (readonly string[])[];
  readonly #missing: readonly (number | string)[];
  readonly #what: string;

  private constructor(what: string, rows: readonly (readonly string[])[], options: CsvOptions) {
    this.#what = what;
    this.#missing = options.missing ?? [];
    const header = options.header !== false;
    this.columns = header
      ? (rows[0] ?? []).map((cell) => cell.trim())
      : (rows[0] ?? []).map((_, i) => String(i + 1));
    // Spreadsheets leave rows of nothing but delimiters at the end.
    this.#rows = (header ? rows.slice(1) : rows).filter((row) => row.some((cell) => cell.trim() !== ''));
  }

  /** Parses CSV bytes; `what` names the file in messages. Throws `sample_invalid` or `too_large`. */
  static parse(bytes: Uint8Array, what: string, options: CsvOptions = {}): CsvTable {
    if (bytes.byteLength > limits.sampleFileBytesMax) {
      throw new AppError(
        'too_large',
        `Cannot read ${what}: ${formatBytes(bytes.byteLength)}, at most ${formatBytes(limits.sampleFileBytesMax)} are allowed.`,
      );
    }
    let rows: string[][];
    try {
      rows = parse(Buffer.from(new TextDecoder('utf-8', { fatal: true }).decode(bytes)), {
        bom: true,
        delimiter: options.delimiter ?? ',',
        from_line: (options.skipLines ?? 0) + 1,
        max_record_size: 16 * 1024 * 1024,
        skip_empty_lines: true,
        to: limits.sampleRowsMax + 2,
      });
    } catch (cause) {
      const reason = cause instanceof CsvError ? cause.message : 'it is not UTF-8 text';
      throw new AppError('sample_invalid', `Cannot read ${what}: ${reason}.`, { cause });
    }
    const table = new CsvTable(what, rows, options);
    if (table.rows > limits.sampleRowsMax) {
      throw new AppError('too_large', `Cannot read ${what}: it has more than ${limits.sampleRowsMax} rows.`);
    }
    if (table.rows === 0) throw new AppError('sample_invalid', `Cannot read ${what}: it has no rows.`);
    return table;
  }

  get rows(): number {
    return this.#rows.length;
  }

  /** Numbers of a column, NaN where a value is missing. Throws `sample_invalid` for a cell that is no number. */
  numbers(column: string): Float64Array {
    const at = this.#indexOf(column);
    return Float64Array.from(this.#rows, (row, i) => {
      const cell = row[at]!.trim();
      const value = Number(cell);
      if (cell === '' || this.#missing.some((mark) => mark === cell || mark === value)) return Number.NaN;
      if (Number.isFinite(value)) return value;
      throw new AppError(
        'sample_invalid',
        `Cannot read ${this.#what}: row ${i + 1}, column "${column}" holds "${cell.slice(0, 40)}", wanted a number. A marker for missing values is named in "missing".`,
      );
    });
  }

  /** Throws `sample_invalid` naming every one of `columns` that is not there, and those that are. */
  requireColumns(columns: readonly string[]): void {
    const absent = columns.filter((column) => !this.columns.includes(column));
    if (absent.length === 0) return;
    throw new AppError(
      'sample_invalid',
      `Cannot read ${this.#what}: it lacks ${listNames(absent)}; it has ${listNames(this.columns.filter((c) => c !== ''))}.`,
      { details: { absent } },
    );
  }

  #indexOf(column: string): number {
    this.requireColumns([column]);
    const at = this.columns.indexOf(column);
    if (this.columns.lastIndexOf(column) !== at) {
      throw new AppError('sample_invalid', `Cannot read ${this.#what}: it has two columns "${column}".`);
    }
    return at;
  }
}

function listNames(names: readonly string[]): string {
  const shown = names.slice(0, 20).map((name) => `"${name.slice(0, 60)}"`);
  if (names.length > shown.length) shown.push(`${names.length - shown.length} more`);
  return `column${names.length === 1 ? '' : 's'} ${shown.join(', ')}`;
}
