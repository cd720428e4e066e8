import { describe, expect, it } from 'vitest';
import { releaseAll, releaseBefore } from '../../../../agent/update/release.ts';
import type { UpdateRecord } from '../../../../agent/update/update-record.ts';

const quarantined = (version: string, sequence?: number) => ({
  manifest: version[0]!.repeat(64),
  version,
  until: 9,
  reason: 'golden_mismatch_on_device: y is off',
  ...(sequence !== undefined && { sequence }),
});
const answered = (letter: string, sequence: number) => ({
  manifest: letter.repeat(64),
  desiredKey: `sequence-${sequence}`,
  sequence,
});
const record: UpdateRecord = {
  v: 2,
  model: 'm',
  stream: '0'.repeat(16),
  quarantined: [quarantined('1.0.0'), quarantined('2.0.0', 5), quarantined('3.0.0', 8)],
  answered: [answered('2', 5), answered('3', 8)],
};

describe('releaseBefore', () => {
  it('lifts what failed under an earlier desired state, and nothing that failed since', () => {
    const { record: after, versions } = releaseBefore(record, 8);
    expect(versions).toEqual(['1.0.0', '2.0.0']);
    expect(after.quarantined.map(({ version }) => version)).toEqual(['3.0.0']);
    expect(after.answered).toEqual([answered('3', 8)]);
  });

  it('does so once, however often the statement comes', () => {
    const { record: after } = releaseBefore(record, 8);
    const again = { ...after, quarantined: [quarantined('2.0.0', 7)] };
    expect(releaseBefore(again, 8)).toEqual({ record: again, versions: [] });
    expect(releaseBefore(again, 5)).toEqual({ record: again, versions: [] });
    expect(releaseBefore(again, 9).versions).toEqual(['2.0.0']);
  });
});

describe('releaseAll', () => {
  it('lifts everything', () => {
    const { record: after, versions } = releaseAll(record);
    expect(versions).toEqual(['1.0.0', '2.0.0', '3.0.0']);
    expect(after).toMatchObject({ quarantined: [], answered: [] });
  });
});
