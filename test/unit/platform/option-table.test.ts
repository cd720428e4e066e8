import { describe, expect, it } from 'vitest';
import {
  bytesOption,
  choiceOption,
  durationOption,
  integerOption,
  listOption,
  resolveOptions,
  textOption,
} from '../../../platform/option-table.ts';

const table = {
  data: textOption('./data', 'folder'),
  httpPort: integerOption(7443, { min: 0, max: 65_535 }, 'port'),
  tickMs: durationOption(1_000, { min: 10, max: 60_000 }, 'tick'),
  advertise: listOption(['localhost'], /^[a-z.]+$/, 'host names', 'hosts'),
  logLevel: choiceOption('info', ['info', 'debug'], 'level', 'LEVEL'),
  cacheMaxBytes: bytesOption(2 * 1024 ** 2, { min: 1024, max: 1024 ** 3 }, 'cache'),
  storeMaxBytes: bytesOption(Number.POSITIVE_INFINITY, { min: 1024, max: 2 ** 50 }, 'store'),
};
const source = (values: Record<string, unknown>) => ({ values, spell: (key: string) => `--${key}` });

describe('resolveOptions()', () => {
  it('lets later sources win over earlier ones and over defaults', () => {
    const file = source({ httpPort: 1, data: '/file', logLevel: 'debug' });
    const env = source({ httpPort: '2', data: '/env' });
    const flags = source({ httpPort: '3', advertise: 'a.b, c' });
    expect(resolveOptions(table, [file, env, flags])).toEqual({
      data: '/env',
      httpPort: 3,
      tickMs: 1_000,
      advertise: ['a.b', 'c'],
      logLevel: 'debug',
      cacheMaxBytes: 2 * 1024 ** 2,
      storeMaxBytes: Number.POSITIVE_INFINITY,
    });
  });

  it('returns a frozen object', () => {
    expect(Object.isFrozen(resolveOptions(table, []))).toBe(true);
  });

  it('reads durations as people write them and as milliseconds', () => {
    expect(resolveOptions(table, [source({ tick: '2s' })]).tickMs).toBe(2_000);
    expect(resolveOptions(table, [source({ tick: '250' })]).tickMs).toBe(250);
    expect(resolveOptions(table, [source({ tick: 300 })]).tickMs).toBe(300);
  });

  it('reads sizes as people write them and as bytes, and "none" where nothing bounds by default', () => {
    const of = (values: object) => resolveOptions(table, [source({ ...values })]);
    expect(of({ cacheMax: '1.5MiB' }).cacheMaxBytes).toBe(1.5 * 1024 ** 2);
    expect(of({ cacheMax: '2048' }).cacheMaxBytes).toBe(2_048);
    expect(of({ cacheMax: 4_096 }).cacheMaxBytes).toBe(4_096);
    expect(of({ storeMax: '20 GiB' }).storeMaxBytes).toBe(20 * 1024 ** 3);
    expect(of({ storeMax: 'none' }).storeMaxBytes).toBe(Number.POSITIVE_INFINITY);
    expect([table.cacheMaxBytes.shown, table.storeMaxBytes.shown]).toEqual(['2MiB', 'none']);
  });

  it.each([
    ['cacheMax', 'none', 'expected a size'],
    ['cacheMax', '2GB', 'expected a size'],
    ['cacheMax', '1B', 'a size from 1.0 KiB to 1.0 GiB'],
    ['cacheMax', true, 'a size from'],
    ['storeMax', '5000TiB', ', or none'],
    ['httpPort', '70000', 'a whole number from 0 to 65535'],
    ['httpPort', 'http', 'a whole number'],
    ['httpPort', 1.5, 'a whole number'],
    ['tick', '2h', 'a duration from'],
    ['tick', 'soon', 'expected a duration'],
    ['advertise', 'UPPER', 'host names'],
    ['advertise', [], 'host names'],
    ['logLevel', 'loud', 'info, debug'],
    ['data', 7, 'text'],
    ['dataa', 'x', 'the option does not exist'],
  ])('refuses %s = %j, naming the option and what is wanted', (key, value, wanted) => {
    const resolve = () => resolveOptions(table, [source({ [key]: value })]);
    expect(resolve).toThrow(wanted);
    expect(resolve).toThrow(`--${key}`);
    expect(resolve).toThrow(expect.objectContaining({ code: 'bad_input' }));
  });
});
