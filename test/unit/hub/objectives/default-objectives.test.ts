import { expect, it } from 'vitest';
import { defaultObjectives } from '../../../../hub/objectives/default-objectives.ts';
import { uniformProfile } from '../../../support/profiles.ts';

it('takes what the manifest promises, and nothing that it does not', () => {
  expect(defaultObjectives({})).toEqual({});
  expect(defaultObjectives({ objectives: { errorRateMax: 0.01, latencyP95Ms: 40 } })).toEqual({
    availability: { target: 0.99 },
    latency: { target: 0.95, limitMs: 40 },
  });
});

it('leaves an error budget where the manifest allows no error, and a target where it allows all', () => {
  expect(defaultObjectives({ objectives: { errorRateMax: 0 } })).toEqual({
    availability: { target: 0.9999 },
  });
  expect(defaultObjectives({ objectives: { errorRateMax: 1 } })).toEqual({ availability: { target: 0.5 } });
});

it('watches drift where there is a reference profile', () => {
  expect(defaultObjectives({ profile: uniformProfile(2) })).toEqual({ drift: true });
  expect(defaultObjectives({ profile: { rows: 0, features: [] } })).toEqual({});
});
