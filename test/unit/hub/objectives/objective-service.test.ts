import { describe, expect, it } from 'vitest';
import type { AssessedVersion } from '../../../../hub/drift/drift-watch.ts';
import {
  ObjectiveService,
  type ObjectiveServiceProps,
} from '../../../../hub/objectives/objective-service.ts';
import type { ObjectiveStore } from '../../../../hub/objectives/objective-store.ts';
import { type SloScope, subjectOf } from '../../../../hub/objectives/slo-scope.ts';
import type { FigureQuery, TelemetryFigures } from '../../../../hub/telemetry/telemetry-figures.ts';
import type { Objectives } from '../../../../shared/api/slos.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { LatencySketch } from '../../../../shared/sketch/latency-sketch.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { publishedVersion } from '../../../support/profiles.ts';

const old = publishedVersion({ version: '1.0.0' });
const air = publishedVersion({ version: '1.1.0' });
const promising = {
  ...air,
  manifest: { ...air.manifest, objectives: { errorRateMax: 0.01, latencyP95Ms: 40 } },
};

function figures(fields: Partial<TelemetryFigures> = {}): TelemetryFigures {
  return {
    reports: 1,
    requests: { ok: 0, failed: {}, refused: { all: 0, fitBefore: 0 } },
    crashes: 0,
    latency: new LatencySketch(),
    features: [],
    labels: undefined,
    dropped: 0,
    ...fields,
  };
}

function serviceOf({
  set = {},
  ...props
}: Partial<ObjectiveServiceProps> & { set?: Record<string, Objectives> }) {
  const clock = new ManualClock();
  const queries: FigureQuery[] = [];
  const service = new ObjectiveService({
    store: {
      find: async (scope: SloScope) => set[subjectOf(scope)],
      scopes: async () =>
        Object.keys(set).map((subject) => {
          const [model, group] = subject.split('/');
          return { model, group };
        }),
      transaction: async () => undefined,
    } as unknown as ObjectiveStore,
    telemetry: {
      figures: async (query) => {
        queries.push(query);
        return figures();
      },
      storedVersions: async () => ['1.0.0', '1.1.0'],
    },
    models: {
      find: async (_, version) => (version === '1.1.0' ? promising : old),
      isKnown: async () => true,
      published: async (versions) => versions,
    },
    census: { versions: () => [], running: () => [] },
    reportTimes: { isKnown: () => true, isFresh: () => true },
    drift: { assessed: () => [], isKnown: () => true },
    updating: async () => new Set(),
    audit: { append: async () => undefined },
    clock,
    telemetryKeptMs: 14 * 86_400_000,
    ...props,
  });
  return { service, clock, queries };
}

const active = (version: string, devices: number) => ({ model: 'air', version, state: 'active', devices });

describe('objectives', () => {
  it('are those of the version that most devices run', async () => {
    const { service } = serviceOf({
      census: {
        versions: () => [
          active('1.0.0', 3),
          active('1.1.0', 7),
          { model: 'air', version: '1.0.0', state: 'trial', devices: 90 },
        ],
        running: () => [],
      },
    });
    const { statuses } = await service.evaluateAll();
    expect(statuses).toMatchObject([
      {
        model: 'air',
        source: 'manifest',
        objectives: { availability: { target: 0.99 }, latency: { target: 0.95, limitMs: 40 }, drift: true },
      },
    ]);
    expect(service.latest()).toBe(statuses);
  });

  it('sum up all versions, also one that was rolled back', async () => {
    const latency = new LatencySketch();
    for (const ms of [10, 20, 30, 100]) latency.add(ms);
    const requests = { ok: 4, failed: { internal: 2, overloaded: 1 }, refused: { all: 9, fitBefore: 3 } };
    const labels = { kind: 'classification', n: 10, correct: 7 } as const;
    const { service } = serviceOf({
      set: {
        air: {
          availability: { target: 0.9 },
          latency: { target: 0.9, limitMs: 50 },
          accuracy: { target: 0.9 },
        },
      },
      telemetry: {
        figures: async () => figures({ requests, latency, labels }),
        storedVersions: async () => ['1.0.0', '1.1.0'],
      },
    });
    const [status] = (await service.evaluateAll()).statuses;
    expect(
      status!.budgets.map(({ objective, all, bad, periodMs }) => [objective, all, bad, periodMs]),
    ).toEqual([
      ['availability', 20, 12, 14 * 86_400_000],
      ['latency', 8, 2, 14 * 86_400_000],
      ['accuracy', 20, 6, 14 * 86_400_000],
    ]);
    expect(status!.budgets[0]!.windows.every(({ burnRate }) => Math.abs(burnRate - 6) < 1e-9)).toBe(true);
    expect(status!.budgets[0]!.left).toBeCloseTo(-5, 9);
  });

  it('read long windows again only when a part of them has passed', async () => {
    const { service, clock, queries } = serviceOf({ set: { air: { availability: { target: 0.9 } } } });
    await service.evaluateAll();
    const windows = () =>
      queries
        .splice(0)
        .flatMap(({ version, fromMs, toMs }) => (version === '1.0.0' ? [toMs - 1 - fromMs] : []));
    expect(windows()).toHaveLength(6);
    clock.advance(60_000);
    await service.evaluateAll();
    const hour = 3_600_000;
    expect(windows()).toEqual([hour / 12, hour / 2, hour]);
    clock.advance(9 * 60_000);
    await service.evaluateAll();
    expect(windows()).toHaveLength(6);
  });

  it('are read once for all who ask at the same time, and again after a read that failed', async () => {
    let reads = 0;
    let fault: Error | undefined = new Error('a rollup is damaged');
    const { service } = serviceOf({
      set: { air: { availability: { target: 0.9 } } },
      telemetry: {
        figures: async () => {
          reads += 1;
          if (fault) throw fault;
          return figures();
        },
        storedVersions: async () => ['1.0.0'],
      },
    });
    const ask = () => Promise.allSettled([1, 2, 3].map(() => service.show({ model: 'air' })));
    expect((await ask()).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(reads).toBe(1);
    fault = undefined;
    expect((await ask()).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled']);
    // One for each window and one for the period.
    expect(reads).toBe(1 + 6);
  });

  it('of one model that fails leave those of the others', async () => {
    const { service } = serviceOf({
      set: { air: { availability: { target: 0.9 } }, water: { drift: true } },
      telemetry: {
        figures: () => Promise.reject(new Error('a rollup is damaged')),
        storedVersions: async () => ['1.0.0'],
      },
    });
    const { statuses, failed } = await service.evaluateAll();
    expect(statuses.map(({ model }) => model)).toEqual(['water']);
    expect([...failed.keys()]).toEqual(['air']);
  });

  it('count devices that a rollout updates neither as fresh nor as silent', async () => {
    const { service } = serviceOf({
      set: { air: { freshness: { target: 0.9, withinMs: 900_000 } } },
      census: {
        versions: () => [],
        running: () =>
          ['a', 'b', 'c', 'd'].map((deviceId) => ({ deviceId, model: deviceId === 'd' ? 'x' : 'air' })),
      },
      reportTimes: { isKnown: () => true, isFresh: (id) => id === 'a' },
      updating: async () => new Set(['c']),
    });
    expect((await service.show({ model: 'air' })).freshness).toEqual({
      target: 0.9,
      withinMs: 900_000,
      devices: 2,
      fresh: 1,
      updating: 1,
      known: true,
    });
  });

  it('of drift are not known before it was assessed, unless a version has drifted, and are met by no version at all', async () => {
    const drifted = { span: 'hour', at: 0, report: { model: 'air', version: '1.1.0', verdict: 'drift' } };
    const driftOf = async (isKnown: boolean, assessed: readonly unknown[]) => {
      const drift = { assessed: () => assessed as AssessedVersion[], isKnown: () => isKnown };
      const { service } = serviceOf({ set: { air: { drift: true } }, drift });
      return (await service.show({ model: 'air' })).drift;
    };
    const found = [{ version: '1.1.0', span: 'hour', verdict: 'drift' }];
    expect(await driftOf(false, [])).toBeUndefined();
    expect(await driftOf(false, [drifted])).toEqual(found);
    expect(await driftOf(true, [drifted])).toEqual(found);
    expect(await driftOf(true, [])).toEqual([]);
  });

  it('are of so many models and groups at most: each is evaluated every minute', async () => {
    const given = Array.from({ length: limits.objectivesSetMax }, (_, n): [string, Objectives] => [
      `air/group-${n}`,
      {},
    ]);
    const { service } = serviceOf({ set: Object.fromEntries(given) });
    const set = (group: string) =>
      service.set({ model: 'air', group }, {}, { name: 'x', role: 'admin', address: '' });
    await expect(set('one-more')).rejects.toMatchObject({ code: 'too_large' });
    expect(await set('group-0')).toMatchObject({ group: 'group-0', source: 'set' });
  });

  it('of a group are counted from its devices alone, and are none until they are set', async () => {
    const { service, queries } = serviceOf({
      set: { air: { availability: { target: 0.9 } }, 'air/field': { availability: { target: 0.8 } } },
    });
    const { statuses } = await service.evaluateAll();
    expect(statuses.map(({ model, group, budgets }) => [model, group, budgets[0]!.target])).toEqual([
      ['air', undefined, 0.9],
      ['air', 'field', 0.8],
    ]);
    expect(new Set(queries.map(({ group }) => group))).toEqual(new Set([undefined, 'field']));
    await expect(service.show({ model: 'air', group: 'lab' })).rejects.toMatchObject({ code: 'not_found' });
    await expect(
      service.set({ model: 'air', group: 'lab' }, { drift: true }, { name: 'x', role: 'admin', address: '' }),
    ).rejects.toMatchObject({ code: 'bad_input', message: expect.stringContaining('on all devices') });
  });
});
