import { describe, expect, it } from 'vitest';
import { formatTable, StreamPrinter } from '../../../cli/printer.ts';

function printer(json: boolean) {
  const printed = { out: '', err: '' };
  const append = (stream: 'out' | 'err') => (text: string) => {
    printed[stream] += text;
  };
  return { printed, printer: new StreamPrinter({ json, out: append('out'), err: append('err') }) };
}

describe('formatTable()', () => {
  it('makes columns as wide as their widest cell and ends lines without spaces', () => {
    const rows = [
      { name: 'a', count: 5 },
      { name: 'longer', count: 1_000 },
    ];
    const text = formatTable(rows, [
      { title: 'name', value: (row) => row.name },
      { title: 'n', value: (row) => row.count, align: 'right' },
    ]);
    expect(text).toBe('NAME       N\na          5\nlonger  1000');
  });

  it('shows control characters of devices as question marks', () => {
    const text = formatTable([{ name: '\u001b[2J\nx' }], [{ title: 'name', value: (row) => row.name }]);
    expect(text).toBe('NAME\n?[2J?x');
  });
});

describe('StreamPrinter', () => {
  it('prints results as JSON and no notes with --json', () => {
    const { printed, printer: p } = printer(true);
    p.note('working');
    p.result({ a: 1 }, () => 'text');
    expect(printed).toEqual({ out: '{"a":1}\n', err: '' });
  });

  it('prints text on standard output and notes on standard error', () => {
    const { printed, printer: p } = printer(false);
    p.note('working');
    p.result({ a: 1 }, () => 'text');
    expect(printed).toEqual({ out: 'text\n', err: 'working\n' });
  });
});
