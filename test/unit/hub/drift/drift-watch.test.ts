import { describe, expect, it } from 'vitest';
import type { DriftQuery } from '../../../../hub/drift/drift-service.ts';
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
  level: 0.01,
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

const found = (watch: DriftWatch) => watch.assessed().map(({ report, span }) => `${report.version} ${span}`);

const { signal } = new AbortController();

describe('DriftWatch', () => {
  it('assesses the versions that are active, and drops one that no device runs any more', async () => {
    let versions = [active('1.0.0'), { model: 'm', version: '2.0.0', state: 'downloading' }];
    const watch = watchOver({ versions: async () => versions });
    await watch.assessAll(signal);
    expect(found(watch)).toEqual(['1.0.0 hour', '1.0.0 day']);
    versions = [active('2.0.0')];
    await watch.assessAll(signal);
    expect(found(watch)).toEqual(['2.0.0 hour', '2.0.0 day']);
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
    expect(found(watch)).toEqual(['3.0.0 hour', '3.0.0 day']);
  });

  it('does not know a model before the first assessment, nor while one of its versions cannot be assessed', async () => {
    let fault: Error | undefined = new Error('damaged');
    const watch = watchOver({
      versions: async () => [active('1.0.0'), { model: 'other', version: '1.0.0', state: 'active' }],
      drift: {
        assessFleet: async ({ model, version }) => {
          if (fault && model === 'm') throw fault;
          return reportOf(model, version!);
        },
      },
    });
    const known = () => ['m', 'other', 'on no device'].map((model) => watch.isKnown(model));
    expect(known()).toEqual([false, false, false]);
    await watch.assessAll(signal);
    expect(known()).toEqual([false, true, true]);
    fault = new AppError('drift_no_profile', 'Cannot assess: no profile.');
    await watch.assessAll(signal);
    expect(known()).toEqual([true, true, true]);
  });

  it('judges the hour and the day that are over, so that a year of readings finds as much as one of each', async () => {
    const asked: DriftQuery[] = [];
    const now = Date.UTC(2026, 10, 27, 13, 59, 59);
    const watch = watchOver({
      clock: { ...systemClock, now: () => now },
      drift: {
        assessFleet: async (query) => {
          asked.push(query);
          return reportOf(query.model, query.version!);
        },
      },
    });
    await watch.assessAll(signal);
    await watch.assessAll(signal);
    const [hour, day, ...again] = asked;
    expect(again).toEqual([hour, day]);
    expect(hour).toMatchObject({
      fromMs: Date.UTC(2026, 10, 27, 12),
      toMs: Date.UTC(2026, 10, 27, 13),
    });
    expect(day).toMatchObject({ fromMs: Date.UTC(2026, 10, 26), toMs: Date.UTC(2026, 10, 27) });
    expect(8_760 * hour!.level! + 365 * day!.level!).toBeCloseTo(0.01, 12);
  });
});
