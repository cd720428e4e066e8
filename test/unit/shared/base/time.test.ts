import { describe, expect, it } from 'vitest';
import { parseTime } from '../../../../shared/base/time.ts';

describe('parseTime()', () => {
  it.each([
    ['2027-01-31T06:00:00Z', Date.UTC(2027, 0, 31, 6)],
    ['2027-01-31t06:00:00z', Date.UTC(2027, 0, 31, 6)],
    ['2027-01-31T07:00:00+01:00', Date.UTC(2027, 0, 31, 6)],
    ['2027-01-30T22:30:00-07:30', Date.UTC(2027, 0, 31, 6)],
    ['2028-02-29T23:59:59.9999Z', Date.UTC(2028, 1, 29, 23, 59, 59, 999)],
    ['0050-01-01T00:00:00Z', Date.parse('0050-01-01T00:00:00Z')],
  ])('reads %s', (text, ms) => {
    expect(parseTime(text, '--start-at')).toBe(ms);
  });

  it.each([
    '5',
    'tomorrow',
    '',
    '2027-01-31',
    '2027-01-31T06:00:00',
    '2027-01-31 06:00:00Z',
    '2027-01-31T06:00Z',
    '2027-1-31T06:00:00Z',
    '2027-02-29T06:00:00Z',
    '2027-02-30T06:00:00Z',
    '2027-04-31T06:00:00Z',
    '2027-13-01T06:00:00Z',
    '2027-00-01T06:00:00Z',
    '2027-01-31T24:00:00Z',
    '2027-01-31T06:60:00Z',
    '2027-01-31T06:00:60Z',
    '2027-01-31T06:00:00+24:00',
    '2027-01-31T06:00:00+0100',
    '2027-01-31T06:00:00 CET',
    ' 2027-01-31T06:00:00Z',
    '2027-01-31T06:00:00Z\n',
  ])('refuses %j and says what is wanted', (text) => {
    expect(() => parseTime(text, '--start-at')).toThrow(
      expect.objectContaining({
        code: 'bad_input',
        message: expect.stringMatching(
          /^Cannot read --start-at ".*": expected a time with its zone, such as /,
        ),
      }),
    );
  });
});
