/** A CSV file as named columns of cells. The file is untrusted: bytes, rows and shape are bounded before use. */
import { CsvError, parse } from 'csv-parse/sync';
import { AppError } from '../../shared/base/app-error.ts';
import { formatBytes } from '../../shared/base/bytes.ts';
import { limits } from '../../shared/base/limits.ts';
import { wantedElement } from '../../shared/inference/element-range.ts';
import { inputTextFault, quoteText } from '../../shared/inference/exact-values.ts';
import type { Datatype } from '../../shared/inference/tensor.ts';
import { binaryKind } from '../../shared/onnx/file-kind.ts';
import { type ElementValue, readCell } from './element-value.ts';

const DELIMITERS = [',', ';', '\t', '|'];
const DECIMAL_COMMA = /^[+-]?(\d{1,3}(\.\d{3})+|\d*),\d+(e[+-]?\d+)?$/i;
const THOUSANDS = /^[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?$/;

export interface CsvOptions {
  readonly delimiter?: string | undefined;
  readonly skipLines?: number | undefined;
  readonly header?: boolean | undefined;
  readonly missing?: readonly (number | string)[] | undefined;
}

export class CsvTable {
  /** Names in composed form (NFC), so that a name is found however its accents are written. */
  readonly columns: readonly string[];
  readonly #rows: readonly (readonly string[])[];
  readonly #missing: readonly (number | string)[];
  readonly #what: string;
  /** What to say where columns or cells are not as expected; empty if nothing is known. */
  readonly #hint: string;

  private constructor(what: string, rows: readonly (readonly string[])[], options: CsvOptions) {
    this.#what = what;
    this.#missing = options.missing ?? [];
    const header = options.header !== false;
    const [first = []] = rows;
    this.#hint = delimiterHint(first, options.delimiter ?? ',');
    this.columns = header
      ? first.map((cell) => cell.trim().normalize('NFC'))
      : first.map((_, i) => String(i + 1));
    this.#rows = this.#readRows(header ? rows.slice(1) : rows);
  }

  /** Parses CSV bytes; `what` names the file in messages. Throws `sample_invalid` or `too_large`. */
  static parse(bytes: Uint8Array, what: string, options: CsvOptions = {}): CsvTable {
    if (bytes.byteLength > limits.sampleFileBytesMax) {
      throw new AppError(
        'too_large',
        `Cannot read ${what}: it has ${formatBytes(bytes.byteLength)}, but at most ${formatBytes(limits.sampleFileBytesMax)} are allowed.`,
      );
    }
    const kind = binaryKind(bytes);
    if (kind !== undefined) {
      throw new AppError('sample_invalid', `Cannot read ${what}: it is ${kind}${wayOut(kind)}.`);
    }
    let rows: string[][];
    try {
      // A byte order mark is the file's only at its very start; csv-parse takes that one away.
      const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
      rows = parse(Buffer.from(text), {
        bom: true,
        delimiter: options.delimiter ?? ',',
        from_line: (options.skipLines ?? 0) + 1,
        max_record_size: 16 * 1024 * 1024,
        relax_column_count: true,
        to: limits.sampleRowsMax + 2,
      });
    } catch (cause) {
      const reason = cause instanceof CsvError ? cause.message : 'it is not UTF-8 text; save it as UTF-8';
      throw new AppError('sample_invalid', `Cannot read ${what}: ${reason}.`, { cause });
    }
    const table = new CsvTable(what, rows, options);
    if (table.rows > limits.sampleRowsMax) {
      throw new AppError('too_large', `Cannot read ${what}: it has more than ${limits.sampleRowsMax} rows.`);
    }
    if (table.rows === 0) throw new AppError('sample_invalid', `Cannot read ${what}: it contains no rows.`);
    return table;
  }

  get rows(): number {
    return this.#rows.length;
  }

  /**
   * Elements of a column, undefined or NaN where a value is missing. Throws `sample_invalid`, with row and column, for a
   * cell that is no element of the datatype.
   */
  elements(column: string, datatype: Datatype): ArrayLike<ElementValue | undefined> {
    const at = this.#indexOf(column);
    const read = (row: readonly string[], i: number) => this.#element(row[at]!, datatype, { row: i, column });
    // Numbers of a million rows are kept as such, not as an object each.
    if (datatype === 'BYTES' || datatype.endsWith('INT64')) return this.#rows.map(read);
    return Float64Array.from(this.#rows, (row, i) => (read(row, i) as number | undefined) ?? Number.NaN);
  }

  /** Throws `sample_invalid` naming every one of `columns` that is not there, and those that are. */
  requireColumns(columns: readonly string[]): void {
    const absent = columns.filter((column) => !this.columns.includes(column.normalize('NFC')));
    if (absent.length === 0) return;
    throw new AppError(
      'sample_invalid',
      `Cannot read ${this.#what}: it lacks ${listNames(absent)}; it has ${listNames(this.columns.filter((c) => c !== ''))}${this.#hint}.`,
      { details: { absent } },
    );
  }

  #element(
    cell: string,
    datatype: Datatype,
    { row, column }: { readonly row: number; readonly column: string },
  ): ElementValue | undefined {
    const refuse = (why: string) =>
      new AppError(
        'sample_invalid',
        `Cannot read ${this.#what}: row ${row + 1}, column "${column}" holds ${quoteText(cell)}${why}.`,
      );
    const text = datatype === 'BYTES' ? cell : cell.trim();
    if (cell.trim() === '' || this.#missing.some((mark) => String(mark) === text)) return undefined;
    const value = readCell(cell, datatype);
    if (typeof value === 'string') {
      const fault = inputTextFault(value);
      if (fault !== undefined) throw refuse(`: it ${fault}`);
      return value;
    }
    const number = value ?? readCell(cell, 'FP64');
    // Of one kind or two: 9007199254740993n is not 9007199254740992.
    // biome-ignore lint/suspicious/noDoubleEquals: a number and a bigint are compared by value.
    if (number !== undefined && this.#missing.some((mark) => typeof mark === 'number' && mark == number)) {
      return undefined;
    }
    if (value !== undefined) return value;
    throw refuse(`, expected ${wantedElement(datatype)}${number === undefined ? cellHint(text) : ''}`);
  }

  /** Rows as long as the header. Spreadsheets leave rows of nothing but delimiters at the end; those are left out. */
  #readRows(rows: readonly (readonly string[])[]): readonly (readonly string[])[] {
    const width = this.columns.length;
    // An empty line is a row only where a row is one cell.
    const kept = width === 1 ? rows : rows.filter((row) => row.length > 1 || row[0] !== '');
    const last = kept.findLastIndex((row) => row.some((cell) => cell.trim() !== ''));
    const uneven = kept.findIndex((row) => row.length !== width);
    if (uneven !== -1) {
      throw new AppError(
        'sample_invalid',
        `Cannot read ${this.#what}: row ${uneven + 1} has ${kept[uneven]!.length} cells, expected ${width}${this.#hint}.`,
      );
    }
    return kept.slice(0, last + 1);
  }

  #indexOf(column: string): number {
    this.requireColumns([column]);
    const name = column.normalize('NFC');
    const at = this.columns.indexOf(name);
    if (this.columns.lastIndexOf(name) !== at) {
      throw new AppError(
        'sample_invalid',
        `Cannot read ${this.#what}: it has two columns named "${column}".`,
      );
    }
    return at;
  }
}

/** What to do about a file of another kind, where its name does not say so already. */
function wayOut(kind: string): string {
  if (kind.includes(';')) return '';
  return kind === 'a NumPy array' ? '; name it under "arrays"' : '; save it as CSV';
}

/** A mark that is more frequent in the first line than what was to part its cells. */
function delimiterHint(first: readonly string[], delimiter: string): string {
  const line = first.join('');
  const mark = DELIMITERS.find((one) => one !== delimiter && line.split(one).length > first.length);
  return mark === undefined
    ? ''
    : `; the cells seem to be separated by ${JSON.stringify(mark)}: set "delimiter" to it`;
}

function cellHint(cell: string): string {
  if (THOUSANDS.test(cell)) return '. Decimals are written with a point, thousands without a mark';
  if (DECIMAL_COMMA.test(cell)) return '. Decimals are written with a point';
  return '. A marker for missing values is named in "missing"';
}

function listNames(names: readonly string[]): string {
  const shown = names.slice(0, 20).map((name) => `"${name.slice(0, 60)}"`);
  if (names.length > shown.length) shown.push(`${names.length - shown.length} more`);
  return `column${names.length === 1 ? '' : 's'} ${shown.join(', ')}`;
}
