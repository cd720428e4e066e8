import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../shared/base/seeded-random.ts';
import { compareVersions } from '../../../../shared/base/version-order.ts';

/** In order; the pre-releases of 1.0.0 are the example of semver.org §11. */
const ordered = [
  'not a version',
  '0.0.9',
  '0.10.0',
  '1.0.0-alpha',
  '1.0.0-alpha.1',
  '1.0.0-alpha.beta',
  '1.0.0-beta',
  '1.0.0-beta.2',
  '1.0.0-beta.11',
  '1.0.0-rc.1',
  '1.0.0',
  '1.2.0',
  '1.10.0-9',
  '1.10.0-10',
  '1.10.0-x-9',
  '1.10.0',
  '9.9.0',
  '9.10.0',
  '9.10.1',
  '10.0.0',
  '10.0.99999999999999999998',
  '10.0.99999999999999999999',
];

describe('compareVersions()', () => {
  it('orders by precedence, whatever the order before', () => {
    const random = seededRandom(7);
    for (let round = 0; round < 20; round += 1) {
      const mixed = ordered.map((version) => ({ version, at: random() })).sort((a, b) => a.at - b.at);
      expect(mixed.map(({ version }) => version).sort(compareVersions)).toEqual(ordered);
    }
  });

  it('finds a version equal to itself alone', () => {
    for (const a of ordered) {
      for (const b of ordered) expect(compareVersions(a, b) === 0, `${a} ${b}`).toBe(a === b);
    }
  });
});
