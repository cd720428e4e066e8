import { describe, expect, it } from 'vitest';
import { CsvTable } from '../../../../cli/packing/csv-table.ts';

const parse = (text: string, options = {}) => CsvTable.parse(Buffer.from(text), '"s.csv"', options);

describe('CsvTable', () => {
  it('reads columns by name, quoted names too', () => {
    const table = parse('\ufeffa,"b (x, y)"\r\n1,2\r\n3,4.5\r\n');
    expect([...table.numbers('b (x, y)')]).toEqual([2, 4.5]);
    expect(table.rows).toBe(2);
  });

  it('takes empty cells and markers as missing', () => {
    const table = parse('a,b\n-200,1\n,2\n-200.0,3\nn/a,4\n', { missing: [-200, 'n/a'] });
    expect([...table.numbers('a')]).toEqual([NaN, NaN, NaN, NaN]);
  });

  it('leaves out rows of nothing but delimiters', () => {
    expect(parse('a,b\n1,2\n,\n,\n').rows).toBe(1);
  });

  it('names columns by number where there is no header', () => {
    const table = parse('178,13,x\n1,2,3\n', { skipLines: 1, header: false });
    expect([...table.numbers('2')]).toEqual([2]);
  });

  it('refuses absent columns, naming all of them and those there are', () => {
    expect(() => parse('a,b\n1,2\n').requireColumns(['a', 'T', 'RH'])).toThrow(
      'Cannot read "s.csv": it lacks columns "T", "RH"; it has columns "a", "b".',
    );
  });

  it('refuses a cell that is no number, with row and column', () => {
    expect(() => parse('a\n1\nx\n').numbers('a')).toThrow(/row 2, column "a" holds "x", wanted a number/);
    expect(() => parse('a\nInfinity\n').numbers('a')).toThrow(/wanted a number/);
  });

  it.each([
    ['rows of different lengths', 'a,b\n1,2\n3\n'],
    ['a quote left open', 'a,b\n"1,2\n'],
    ['a header alone', 'a,b\n'],
    ['nothing', ''],
  ])('refuses %s', (_, text) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'sample_invalid' }));
  });

  it('refuses a column that is there twice when it is asked for', () => {
    const table = parse('a,a,b\n1,2,3\n');
    expect([...table.numbers('b')]).toEqual([3]);
    expect(() => table.numbers('a')).toThrow('it has two columns "a"');
  });
});
