import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FleetCensus } from '../../../../hub/devices/fleet-census.ts';
import type { ReportedState } from '../../../../shared/protocol/reported-state.ts';

type Report = Pick<ReportedState, 'models' | 'conditions'>;

const digest = 'a'.repeat(64);
const report = fc.record({
  models: fc.uniqueArray(
    fc.record({
      model: fc.constantFrom('a', 'b'),
      active: fc.option(fc.constantFrom('1.0.0', '2.0.0'), { nil: undefined }),
      update: fc.option(
        fc.record({
          version: fc.constantFrom('1.0.0', '2.0.0'),
          state: fc.constantFrom('downloading' as const, 'trial' as const, 'committed' as const),
        }),
        { nil: undefined },
      ),
    }),
    { selector: ({ model }) => model },
  ),
  severities: fc.array(fc.constantFrom('warning' as const, 'error' as const)),
});

function stateOf({ models, severities }: typeof report extends fc.Arbitrary<infer T> ? T : never): Report {
  return {
    models: models.map(({ model, active, update }) => ({
      model,
      ...(active && { active: { version: active, manifest: digest, release: 1 } }),
      previous: [],
      quarantined: [],
      ...(update && { update: { ...update, since: '2026-01-01T00:00:00Z' } }),
    })),
    conditions: severities.map((severity) => ({ code: 'low_disk', severity, text: '' })),
  };
}

/** The same figures, counted anew over the last report of each device. */
function countAll(reports: ReadonlyMap<string, Report>) {
  const versions = new Map<string, number>();
  const severities = new Map([
    ['warning', 0],
    ['error', 0],
  ]);
  for (const { models, conditions } of reports.values()) {
    for (const { model, active, update } of models) {
      const states = [active && `${model} ${active.version} active`];
      if (update && update.state !== 'committed') states.push(`${model} ${update.version} ${update.state}`);
      for (const state of states) if (state) versions.set(state, (versions.get(state) ?? 0) + 1);
    }
    for (const severity of new Set(conditions.map((one) => one.severity))) {
      severities.set(severity, severities.get(severity)! + 1);
    }
  }
  return { versions, severities };
}

describe('FleetCensus', () => {
  it('counts what the last report of each device says, whatever came before and whoever left', () => {
    const step = fc.record({ device: fc.constantFrom('d1', 'd2', 'd3'), report: fc.option(report) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const census = new FleetCensus();
        const last = new Map<string, Report>();
        for (const { device, report: sent } of steps) {
          if (sent === null) {
            census.removed(device);
            last.delete(device);
          } else {
            census.reported(device, stateOf(sent));
            last.set(device, stateOf(sent));
          }
        }
        const wanted = countAll(last);
        const found = census
          .versions()
          .map(({ model, version, state, devices }) => [`${model} ${version} ${state}`, devices] as const);
        expect(new Map(found)).toEqual(wanted.versions);
        expect(new Map(census.withConditions())).toEqual(wanted.severities);
      }),
    );
  });
});
