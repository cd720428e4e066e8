import { describe, expect, it } from 'vitest';
import { CsvTable } from '../../../../cli/packing/csv-table.ts';
import type { Datatype } from '../../../../shared/inference/tensor.ts';

const parse = (text: string, options = {}) => CsvTable.parse(Buffer.from(text), '"s.csv"', options);

const numbers = (table: CsvTable, column = 'a', datatype: Datatype = 'FP64') => [
  ...Array.from(table.elements(column, datatype)),
];

describe('CsvTable', () => {
  it('reads columns by name, quoted names too', () => {
    const table = parse('\ufeffa,"b (x, y)"\r\n1,2\r\n3,4.5\r\n');
    expect(numbers(table, 'b (x, y)')).toEqual([2, 4.5]);
    expect(table.rows).toBe(2);
  });

  it('takes empty cells and markers as missing', () => {
    const table = parse('a,b\n-200,1\n,2\n-200.0,3\nn/a,4\n', { missing: [-200, 'n/a'] });
    expect(numbers(table, 'a')).toEqual([NaN, NaN, NaN, NaN]);
  });

  it('leaves out rows of nothing but delimiters', () => {
    expect(parse('a,b\n1,2\n,\n,\n').rows).toBe(1);
  });

  it('names columns by number where there is no header', () => {
    const table = parse('178,13,x\n1,2,3\n', { skipLines: 1, header: false });
    expect(numbers(table, '2')).toEqual([2]);
  });

  it('refuses absent columns, naming all of them and those there are', () => {
    expect(() => parse('a,b\n1,2\n').requireColumns(['a', 'T', 'RH'])).toThrow(
      'Cannot read "s.csv": it lacks columns "T", "RH"; it has columns "a", "b".',
    );
  });

  it('refuses a cell that is no number, with row and column', () => {
    expect(() => numbers(parse('a\n1\nx\n'))).toThrow(/row 2, column "a" holds "x", expected a number/);
    expect(() => numbers(parse('a\nInfinity\n'))).toThrow(/expected a number/);
  });

  it.each([
    ['rows of different lengths', 'a,b\n1,2\n3\n'],
    ['a quote left open', 'a,b\n"1,2\n'],
    ['a header alone', 'a,b\n'],
    ['nothing', ''],
  ])('refuses %s', (_, text) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'sample_invalid' }));
  });

  it.each([
    ['semicolons', 'a;b\n1;2\n', /"a;b"; the cells seem to be separated by ";": set "delimiter"/],
    ['semicolons beside decimal commas', 'a;b\n1,5;2,5\n', /separated by ";": set "delimiter"/],
    ['tabs', 'a\tb\n1\t2\n', /separated by "\\t": set "delimiter"/],
    ['bars', 'a|b\n1|2\n', /separated by "\|": set "delimiter"/],
  ])('tells what parts the cells where it is %s', (_, text, message) => {
    expect(() => parse(text).requireColumns(['a'])).toThrow(message);
  });

  it('tells what parts the cells where commas do not, though they were asked for or stand in names', () => {
    expect(() => parse('a,b\n1,2\n', { delimiter: ';' }).requireColumns(['a'])).toThrow(/separated by ","/);
    expect(() => parse('T (a, b);RH;AH\n1;2;3\n').requireColumns(['RH'])).toThrow(/separated by ";"/);
    expect(() => parse('a;b\n1;2\n', { header: false }).requireColumns(['2'])).toThrow(/separated by ";"/);
    expect(() => parse('a|b,c\n1,2\n').requireColumns(['d'])).toThrow(/columns "a\|b", "c"\.$/);
  });

  it('says how thousands are written', () => {
    expect(() => numbers(parse('a\n"12,500"\n'))).toThrow(/with a point, thousands without a mark\.$/);
  });

  it('says that a decimal comma is a point here', () => {
    expect(() => numbers(parse('a;b\n0,37;2\n', { delimiter: ';' }))).toThrow(
      /holds "0,37", expected a number within .*\. Decimals are written with a point\.$/,
    );
  });

  it.each([
    ['a workbook', Buffer.from('PK\x03\x04..xl/workbook.xml'), /it is an Excel workbook; save it as CSV/],
    ['an old workbook', Buffer.from('d0cf11e0a1b11ae1', 'hex'), /it is an Excel workbook; save it as CSV/],
    ['a Parquet file', Buffer.from('PAR1\x15\x04'), /it is a Parquet file; save it as CSV/],
    ['a gzip archive', Buffer.from([0x1f, 0x8b, 8, 0]), /it is a gzip archive; unpack it/],
    ['a NumPy array', Buffer.from('\x93NUMPY\x01\x00', 'latin1'), /it is a NumPy array/],
    ['UTF-16', Buffer.from('\ufeffa,b\n1,2\n', 'utf16le'), /it is UTF-16 text; save it as UTF-8/],
    ['UTF-16 without its mark', Buffer.from('a,b\n1,2\n', 'utf16le'), /it is UTF-16 text; save it as UTF-8/],
    ['Latin-1', Buffer.from('a,gr\xf6sse\n1,2\n', 'latin1'), /it is not UTF-8 text; save it as UTF-8/],
  ])('says what stands in its place: %s', (_, bytes, message) => {
    expect(() => CsvTable.parse(bytes, '"s.csv"')).toThrow(
      expect.objectContaining({ code: 'sample_invalid', message: expect.stringMatching(message) }),
    );
  });

  it('refuses a column that is there twice when it is asked for', () => {
    const table = parse('a,a,b\n1,2,3\n');
    expect(numbers(table, 'b')).toEqual([3]);
    expect(() => numbers(table, 'a')).toThrow('it has two columns named "a"');
  });

  it.each([
    '0x1F',
    '0b1',
    '0o7',
    '1 2',
    '1,000',
    '1_000',
    '12abc',
    '١',
    '1e',
    '.',
    '-',
    'nan',
    '-Infinity',
    '1e999',
  ])('refuses %j, which is no decimal number', (cell) => {
    expect(() => numbers(parse(`a\n"${cell}"\n`))).toThrow(/row 1, column "a" holds ".*", expected a number/);
  });

  it.each([
    ['1e2', 100],
    ['+5.', 5],
    ['-.5', -0.5],
    [' 7\t', 7],
    ['007', 7],
  ] as const)('reads %j as a number', (cell, value) => {
    expect(numbers(parse(`a\n"${cell}"\n`))).toEqual([value]);
  });

  it('reads whole numbers of 64 bits exactly, however they are written', () => {
    const table = parse('a\n9007199254740993\n1610521604143693812.0\n1.2e3\n\n-9223372036854775808\n');
    expect(numbers(table, 'a', 'INT64')).toEqual([
      9_007_199_254_740_993n,
      1_610_521_604_143_693_812n,
      1_200n,
      undefined,
      -(2n ** 63n),
    ]);
  });

  it.each([
    ['UINT8', '256', 'a whole number from 0 to 255 (UINT8)'],
    ['UINT8', '-1', 'a whole number from 0 to 255'],
    ['INT32', '1.5', 'a whole number from -2147483648'],
    ['INT64', '9223372036854775808', 'a whole number from -9223372036854775808'],
    ['FP16', '70000', 'a number within ±65504 (FP16)'],
    ['FP32', '1e39', 'a number within'],
    ['BOOL', 'yes', 'true or false'],
  ] as const)('refuses what %s cannot hold: %s', (datatype, cell, wanted) => {
    expect(() => numbers(parse(`a\n1\n${cell}\n`), 'a', datatype)).toThrow(
      `row 2, column "a" holds "${cell}", expected ${wanted}`,
    );
  });

  it('reads truth values as people write them', () => {
    expect(numbers(parse('a\nTrue\nFALSE\n1\n0.0\n'), 'a', 'BOOL')).toEqual([1, 0, 1, 0]);
  });

  it('keeps texts as they are, spaces and a byte order mark included', () => {
    const table = parse('a,b\n red,1\n\ufeffx,2\n,3\n-1,4\n', { missing: [-1] });
    expect(numbers(table, 'a', 'BYTES')).toEqual([' red', '\ufeffx', undefined, undefined]);
    const marked = CsvTable.parse(Buffer.from('\ufeff\ufeffx\ny\n'), '"s.csv"', { header: false });
    expect(numbers(marked, '1', 'BYTES')).toEqual(['\ufeffx', 'y']);
  });

  it('refuses a text that a model would not see whole', () => {
    expect(() => numbers(parse('a\nx\0y\n'), 'a', 'BYTES')).toThrow(
      /row 1, column "a" holds "x\\u0000y": it holds a NUL/,
    );
  });

  it('takes no rounded marker for an exact number', () => {
    const table = parse('a\n9007199254740993\n', { missing: [9_007_199_254_740_992] });
    expect(numbers(table, 'a', 'INT64')).toEqual([9_007_199_254_740_993n]);
  });

  it('keeps rows without a value between others, so that a row keeps its number', () => {
    expect(numbers(parse('a,b\n1,2\n,\n\n3,4\n'))).toEqual([1, Number.NaN, 3]);
    expect(numbers(parse('a\n1\n""\n\n2\n'))).toEqual([1, Number.NaN, Number.NaN, 2]);
  });

  it('finds a column however its accents are written', () => {
    const table = parse('tempe\u0301rature\n1\n');
    expect(numbers(table, 'temp\u00e9rature')).toEqual([1]);
    expect(() => numbers(parse('e\u0301,\u00e9\n1,2\n'), '\u00e9')).toThrow('it has two columns');
  });
});
