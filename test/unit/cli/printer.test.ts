import { describe, expect, it } from 'vitest';
import { StreamPrinter } from '../../../cli/printer.ts';
import { formatTable } from '../../../cli/table.ts';

function printer(isJson: boolean) {
  const format = isJson ? 'json' : 'table';
  const printed = { out: '', err: '' };
  const append = (stream: 'out' | 'err') => (text: string) => {
    printed[stream] += text;
  };
  return { printed, printer: new StreamPrinter({ format, out: append('out'), err: append('err') }) };
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
    expect(text).toEqual(['NAME       N', 'a          5', 'longer  1000']);
  });

  it('writes out what would move the cursor, and on a terminal cuts what is too long', () => {
    const rows = [{ name: '\u001b[2J\nx' }, { name: 'y'.repeat(1_000) }];
    const [, first, second] = formatTable(rows, [{ title: 'name', value: (row) => row.name }], {
      width: 500,
    });
    expect(first).toBe('\\x1b[2J\\nx');
    expect(second).toBe(`${'y'.repeat(199)}…`);
  });
});

describe('formatTable() and the width of the terminal', () => {
  const columns = [
    { title: 'id', value: (row: { id: string }) => row.id },
    { title: 'digest', value: () => 'd'.repeat(64), isWide: true },
    { title: 'text', value: () => 't'.repeat(300) },
  ];
  const rows = [{ id: 'a' }];

  it('cuts lines on a terminal', () => {
    const lines = formatTable(rows, columns, { width: 20 });
    expect(lines).toEqual(['ID  TEXT', `a   ${'t'.repeat(15)}…`]);
  });

  it('cuts nothing in a pipe', () => {
    expect(formatTable(rows, columns)[1]).toBe(`a   ${'t'.repeat(300)}`);
  });

  it('shows every column whole when wide, and no titles when none are wanted', () => {
    const lines = formatTable(rows, columns, { width: 20, isWide: true, hasHeaders: false });
    expect(lines).toEqual([`a  ${'d'.repeat(64)}  ${'t'.repeat(300)}`]);
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

  it('makes each line safe, and the JSON too, which stays the same value', () => {
    const foreign = 'a\u001b]0;title\u0007\u009b31m\u202etxt\u200b\u2028\nERROR all is lost';
    const { printed, printer: p } = printer(false);
    p.result({}, () => [`host  ${foreign}`, 'next']);
    p.note(foreign);
    expect(printed.out).toBe(
      'host  a\\x1b]0;title\\x07\\x9b31m\\u{202e}txt\\u{200b}\\u{2028}\\nERROR all is lost\nnext\n',
    );
    expect(printed.err.split('\n')).toHaveLength(2);
    const json = printer(true);
    json.printer.result({ host: foreign, flag: '\u{e0041}' }, () => '');
    expect(JSON.parse(json.printed.out)).toEqual({ host: foreign, flag: '\u{e0041}' });
    expect(json.printed.out).toMatch(/^[\x20-\x7e]*\n$/);
  });
});
