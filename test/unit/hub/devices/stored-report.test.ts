import { expect, it } from 'vitest';
import { reportedOf } from '../../../../hub/devices/device-view.ts';

it('reads a report that a hub stored while its name for quarantined was parked', () => {
  const parked = [{ version: '2.0.0', until: '2026-01-02T00:00:00Z', reason: 'golden' }];
  const reported = JSON.stringify({ v: 1, models: [{ model: 'air', previous: [], parked }] });
  expect(reportedOf({ reported })).toEqual({
    v: 2,
    models: [{ model: 'air', previous: [], quarantined: parked }],
  });
  expect(reportedOf({ reported: null })).toBeUndefined();
});
