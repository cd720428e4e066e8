import { describe, expect, it } from 'vitest';
import { parseUpdateRecord } from '../../../../agent/update/update-record.ts';

const manifest = 'b'.repeat(64);
const entry = {
  manifest,
  version: '2.0.0',
  until: 9,
  reason: 'golden_mismatch_on_device: y is off',
  sequence: 5,
};
const common = { model: 'air', stream: '0'.repeat(16), released: 4 };
const parse = (value: unknown) => parseUpdateRecord(Buffer.from(JSON.stringify(value)));

describe('parseUpdateRecord()', () => {
  it('reads a record that an agent of version 1 left on the disk', () => {
    const answered = [{ manifest, wish: 'r-00000001', sequence: 5 }];
    expect(parse({ v: 1, ...common, parked: [entry], answered })).toEqual({
      v: 2,
      ...common,
      quarantined: [entry],
      answered: [{ manifest, desiredKey: 'r-00000001', sequence: 5 }],
    });
  });

  it('refuses a damaged record of version 1, and a version it does not know', () => {
    expect(() => parse({ v: 1, ...common, answered: [] })).toThrow(/version 1/);
    expect(() => parse({ v: 1, ...common, parked: [], answered: [7] })).toThrow(/answered/);
    expect(() => parse({ v: 3, ...common, quarantined: [], answered: [] })).toThrow(/version 3/);
  });
});
