import { describe, expect, it } from 'vitest';
import type { PublishedVersion } from '../../../../hub/models/published-version.ts';
import {
  lastGoodVersion,
  planRollbackTarget,
  type RollbackEnvironment,
} from '../../../../hub/rollout/rollback-target.ts';
import type { StoredStatus } from '../../../../shared/api/rollouts.ts';
import type { ReportedModel } from '../../../../shared/protocol/reported-state.ts';
import { digestOf, releaseOf } from '../../../support/rollout-device.ts';

const installed = (version: string) => ({
  version,
  manifest: digestOf(version),
  release: releaseOf(version),
});
const entry = (
  active: string,
  previous: readonly string[],
  more: Partial<ReportedModel> = {},
): ReportedModel => ({
  model: 'm',
  active: installed(active),
  previous: previous.map(installed),
  quarantined: [],
  floor: 9,
  ...more,
});
const published = (version: string) =>
  ({
    model: 'm',
    version,
    release: releaseOf(version),
    manifestSha256: digestOf(version),
  }) as PublishedVersion;
const known = new Map(['1.0.0', '2.0.0', '3.0.0'].map((version) => [version, published(version)]));

function plan(
  more: Partial<RollbackEnvironment>,
  status: StoredStatus = 'succeeded',
  previousVersion: string | null = '2.0.0',
) {
  const around = {
    version: '3.0.0',
    desiredVersion: '3.0.0',
    isHeldByOther: false,
    isUnassigned: false,
    known,
    now: 0,
    ...more,
  };
  const { target, outcome, isSteered } = planRollbackTarget(
    { status, previousVersion },
    { entry: undefined, ...around },
  );
  return { target: target?.version, outcome, isSteered };
}

describe('the rollback target', () => {
  it('is the version the device ran before', () => {
    const onIt = entry('3.0.0', ['2.0.0', '1.0.0']);
    expect(plan({ entry: onIt })).toEqual({ target: '2.0.0', outcome: null, isSteered: true });
  });

  it('is the newest lower one it keeps when that is withdrawn, quarantined or gone', () => {
    const some = new Map([...known].filter(([version]) => version !== '2.0.0'));
    expect(plan({ entry: entry('3.0.0', ['2.0.0', '1.0.0']), known: some }).target).toBe('1.0.0');
    const quarantined = [{ version: '2.0.0', until: '2099-01-01T00:00:00Z', reason: 'bad' }];
    expect(plan({ entry: entry('3.0.0', ['2.0.0', '1.0.0'], { quarantined }) }).target).toBe('1.0.0');
    expect(plan({ entry: entry('3.0.0', ['1.0.0']) }).target).toBe('1.0.0');
  });

  it('is none when it keeps none: then it keeps what it has', () => {
    expect(plan({ entry: entry('3.0.0', []) })).toEqual({
      target: undefined,
      outcome: 'no-target',
      isSteered: true,
    });
  });

  it('is no version that was reverted on the device before', () => {
    const left = entry('3.0.0', [], {
      previous: [{ ...installed('2.0.0'), left: true }, installed('1.0.0')],
    });
    expect(plan({ entry: left }, 'succeeded', null).target).toBe('1.0.0');
  });

  it('is what it runs when it never switched or went back by itself, not what it was once assigned', () => {
    expect(plan({ entry: entry('1.0.0', []) }, 'rolled-back')).toEqual({
      target: '1.0.0',
      outcome: 'reverted',
      isSteered: true,
    });
    expect(plan({ entry: entry('1.0.0', []) }, 'downloading')).toMatchObject({
      target: '1.0.0',
      outcome: null,
    });
  });

  it('trusts the version before when the device has not reported', () => {
    expect(plan({})).toEqual({ target: '2.0.0', outcome: null, isSteered: true });
  });

  it('leaves a device alone that another rollout steers, or that has moved on', () => {
    const others = { target: undefined, outcome: 'superseded', isSteered: false };
    expect(plan({ entry: entry('3.0.0', ['2.0.0']), isHeldByOther: true })).toEqual(others);
    expect(plan({ entry: entry('1.0.0', []), desiredVersion: '4.0.0' })).toEqual(others);
    expect(plan({ entry: entry('2.0.0', []), desiredVersion: '4.0.0' }).outcome).toBe('reverted');
  });

  it('is none, and the model is not named, where it was unassigned from the device', () => {
    const off = { target: undefined, outcome: 'unassigned', isSteered: false };
    expect(plan({ entry: entry('3.0.0', ['2.0.0']), isUnassigned: true })).toEqual(off);
    expect(plan({ desiredVersion: undefined })).toEqual(off);
  });

  it('does not treat a version on trial as proven', () => {
    const update = { version: '3.0.0', state: 'trial', since: '2026-01-01T00:00:00Z' } as const;
    expect(lastGoodVersion(entry('3.0.0', ['2.0.0'], { update }))).toBe('2.0.0');
    expect(lastGoodVersion(entry('3.0.0', ['2.0.0']))).toBe('3.0.0');
    for (const state of ['activating', 'rolling-back'] as const) {
      const switching = { ...update, state };
      expect(lastGoodVersion(entry('3.0.0', ['2.0.0'], { update: switching }))).toBe('2.0.0');
    }
    const left = [{ ...installed('2.0.0'), left: true }];
    expect(lastGoodVersion(entry('3.0.0', [], { update, previous: left }))).toBeUndefined();
    const committed = { ...update, state: 'committed' } as const;
    expect(lastGoodVersion(entry('3.0.0', ['2.0.0'], { update: committed }))).toBe('3.0.0');
    expect(lastGoodVersion(undefined)).toBeUndefined();
  });
});
