import { describe, expect, it } from 'vitest';
import { DriftWatch, type DriftWatchProps } from '../../../../hub/drift/drift-watch.ts';
import { makeLogger } from '../../../../platform/logger.ts';
import { systemClock } from '../../../../platform/system-clock.ts';
import type { DriftReport } from '../../../../shared/api/drift.ts';
import { AppError } from '../../../../shared/base/app-error.ts';

const reportOf = (model: string, version: string): DriftReport => ({
  model,
  version,
  fromMs: 0,
  toMs: 1,
  verdict: 'stable',
  features: [],
  devicesSeen: 1,
  devicesDrifted: 0,
  devices: [],
});
const active = (version: string) => ({ model: 'm', version, state: 'active' });

function watchOver(props: Partial<DriftWatchProps>) {
  return new DriftWatch({
    drift: { assessFleet: async ({ model, version }) => reportOf(model, version!) },
    versions: async () => [active('1.0.0')],
    clock: systemClock,
    logger: makeLogger('test', 'silent'),
    ...props,
  });
}

const { signal } = new AbortController();

describe('DriftWatch', () => {
  it('assesses the versions that are active, and drops one that no device runs any more', async () => {
    let versions = [active('1.0.0'), { model: 'm', version: '2.0.0', state: 'downloading' }];
    const watch = watchOver({ versions: async () => versions });
    await watch.assessAll(signal);
    expect(watch.assessed().map(({ report }) => report.version)).toEqual(['1.0.0']);
    versions = [active('2.0.0')];
    await watch.assessAll(signal);
    expect(watch.assessed().map(({ report }) => report.version)).toEqual(['2.0.0']);
  });

  it('leaves out a version without a profile, and continues after one that cannot be assessed', async () => {
    const watch = watchOver({
      versions: async () => ['1.0.0', '2.0.0', '3.0.0'].map(active),
      drift: {
        assessFleet: async ({ model, version }) => {
          if (version === '1.0.0') throw new AppError('drift_no_profile', 'Cannot assess: no profile.');
          if (version === '2.0.0') throw new Error('damaged');
          return reportOf(model, version!);
        },
      },
    });
    await watch.assessAll(signal);
    expect(watch.assessed().map(({ report }) => report.version)).toEqual(['3.0.0']);
  });
});
