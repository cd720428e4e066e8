import { describe, expect, it } from 'vitest';
import { parseAirQuality } from '../../../../demo/gas-sensors/air-quality-file.ts';

const header =
  'Date,Time,CO(GT),PT08.S1(CO),NMHC(GT),C6H6(GT),PT08.S2(NMHC),NOx(GT),PT08.S3(NOx),NO2(GT),PT08.S4(NO2),PT08.S5(O3),T,RH,AH,,';
const row = '3/10/2004,18:00:00,2.6,1360,150,11.9,1046,166,1056,113,1692,1268,13.6,48.9,0.7578,,';
const parse = (...lines: string[]) => parseAirQuality(Buffer.from(lines.join('\r\n')), 'a.csv');

describe('parseAirQuality()', () => {
  it('reads date, reference and the eight channels in order', () => {
    expect(parse(header, row)).toEqual([
      {
        at: Date.UTC(2004, 2, 10, 18),
        sensors: [1360, 1046, 1056, 1692, 1268, 13.6, 48.9, 0.7578],
        coMgM3: 2.6,
      },
    ]);
  });

  it('takes −200 as missing and leaves out empty lines at the end', () => {
    const readings = parse(
      header,
      row.replace('2.6', '-200').replace('13.6', '-200'),
      ','.repeat(16),
      ','.repeat(16),
    );
    expect(readings).toHaveLength(1);
    expect(readings[0]!.coMgM3).toBeNaN();
    expect(readings[0]!.sensors[5]).toBeNaN();
  });

  it('refuses a file without a column, and a date of another form', () => {
    expect(() => parse(header.replace('RH', 'H'), row)).toThrow(
      'Cannot read "a.csv": it has no column "RH".',
    );
    expect(() => parse(header, row.replace('3/10/2004', '2004-03-10'))).toThrow(
      /row 2 has time "2004-03-10 18:00:00"/,
    );
  });
});
