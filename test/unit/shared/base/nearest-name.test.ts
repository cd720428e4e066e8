import { expect, it } from 'vitest';
import { nearestName } from '../../../../shared/base/nearest-name.ts';

const known = ['model', 'group', 'maxErrorRate', 'limit', 'keep'];

it.each([
  ['grup', 'group'],
  ['max_error_rate', 'maxErrorRate'],
  ['Limit', 'limit'],
  ['keeep', 'keep'],
  ['modle', 'model'],
  ['colour', undefined],
  ['x', undefined],
  ['', undefined],
  ['limit'.repeat(100_000), undefined],
])('nearestName() takes %.20s for %s', (name, wanted) => {
  expect(nearestName(name, known)).toBe(wanted);
});
