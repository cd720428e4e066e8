/**
 * What gates evaluate of the evidence of a rollout: requests and drift over the devices that have switched to the version. Each device's
 * counts are added when they come and replaced when they change, so an evaluation costs what is new since the last one.
 */
import type { RolloutPlan } from '../../shared/api/rollout-plan.ts';
import { isAppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { type FeatureRollup, type Moments, noMoments } from '../telemetry/rollups/rollup-sums.ts';
import { UnitClasses } from '../telemetry/rollups/unit-classes.ts';
import type { GateInputs } from './gates.ts';
import { isPresent } from './phase-members.ts';
import { requestFigures } from './request-figures.ts';
import type { DeviceEvidence, RolloutDrift, RolloutTelemetry } from './rollout-evidence.ts';
import type { RolloutView } from './rollout-planner.ts';

type Figures = Pick<GateInputs, 'requests' | 'drift'>;
type DeviceFigures = DeviceEvidence['figures'];

export const noFigures: Figures = { requests: null, drift: null };

export class EvidenceFigures {
  readonly #telemetry: RolloutTelemetry;
  readonly #drift: RolloutDrift;
  /** By rollout, the one that was evaluated last at the end. */
  readonly #sums = new Map<string, EvidenceSums>();

  constructor({ telemetry, drift }: { readonly telemetry: RolloutTelemetry; readonly drift: RolloutDrift }) {
    this.#telemetry = telemetry;
    this.#drift = drift;
  }

  /** Forgets every other rollout: it has ended. */
  keepOnly(rolloutIds: ReadonlySet<string>): void {
    for (const id of this.#sums.keys()) if (!rolloutIds.has(id)) this.#sums.delete(id);
  }

  async of({ id, plan, devices }: Pick<RolloutView, 'id' | 'plan' | 'devices'>): Promise<Figures> {
    const switched = devices.filter(
      (d) => isPresent(d) && ['trial', 'succeeded', 'rolled-back'].includes(d.status),
    );
    if (switched.length === 0) return noFigures;
    const evidence = await this.#telemetry.evidence(id);
    const sums = this.#sumsOf(id);
    const isNew = sums.replaceAll(
      switched.map(({ deviceId, offeredAt }) => {
        const found = evidence.get(deviceId);
        return [deviceId, found?.offeredAt === offeredAt ? found?.figures : undefined];
      }),
    );
    this.#evict();
    if (!isNew && sums.figures) return sums.figures;
    // What fails from here on is evaluated again: these figures are of evidence that has been replaced.
    sums.figures = undefined;
    sums.figures = {
      requests: plan.gates.maxErrorRate === undefined ? null : countRequests(sums.brought(), plan),
      drift: plan.gates.drift === 'ignore' ? null : await judgeDrift(sums, plan, this.#drift),
    };
    return sums.figures;
  }

  #sumsOf(rolloutId: string): EvidenceSums {
    const sums = this.#sums.get(rolloutId) ?? new EvidenceSums();
    this.#sums.delete(rolloutId);
    this.#sums.set(rolloutId, sums);
    return sums;
  }

  /** Sums hold the counts of each device: beyond the limit those evaluated longest ago are made again when they are needed. */
  #evict(): void {
    let devices = [...this.#sums.values()].reduce((total, { size }) => total + size, 0);
    for (const [id, { size }] of this.#sums) {
      if (devices <= limits.gateDevicesKeptMax || this.#sums.size === 1) return;
      this.#sums.delete(id);
      devices -= size;
    }
  }
}

/** What devices brought, each once, and the counts of their features by class. */
class EvidenceSums {
  /** Made from the devices as they are; undefined before. */
  figures: Figures | undefined;
  readonly #units = new Map<string, UnitClasses>();
  #devices: ReadonlyMap<string, DeviceFigures | undefined> = new Map();

  /** By feature. Moments are floating point and cannot be taken out again, so they are added up anew. */
  units(): ReadonlyMap<string, Readonly<FeatureRollup>> {
    const moments = new Map<string, Moments>();
    for (const figures of this.#devices.values()) {
      for (const { name, moments: more } of figures?.features ?? []) {
        if (more) moments.set(name, sumOf(moments.get(name) ?? noMoments, more));
      }
    }
    return new Map(
      [...this.#units].map(([name, classes]) => [name, { classes, moments: moments.get(name) ?? noMoments }]),
    );
  }

  get size(): number {
    return this.#devices.size;
  }

  /** What each device brought; undefined where it brought nothing. */
  brought(): readonly (DeviceFigures | undefined)[] {
    return [...this.#devices.values()];
  }

  /** From now on these are the devices. Returns whether anything is another than before. */
  replaceAll(devices: readonly (readonly [deviceId: string, figures: DeviceFigures | undefined])[]): boolean {
    const before = this.#devices;
    this.#devices = new Map(devices);
    let isNew = before.size !== this.#devices.size;
    for (const [deviceId, figures] of devices) {
      const known = before.get(deviceId);
      if (known === figures && before.has(deviceId)) continue;
      isNew = true;
      this.#add(known, -1);
      this.#add(figures, 1);
    }
    if (!isNew) return false;
    for (const [deviceId, figures] of before) if (!this.#devices.has(deviceId)) this.#add(figures, -1);
    return true;
  }

  #add(figures: DeviceFigures | undefined, sign: 1 | -1): void {
    for (const feature of figures?.features ?? []) {
      const classes = this.#units.get(feature.name) ?? new UnitClasses();
      classes.add(feature, sign);
      this.#units.set(feature.name, classes);
    }
  }
}

function sumOf(a: Moments, b: Moments): Moments {
  return { n: a.n + b.n, sum: a.sum + b.sum, sumSquares: a.sumSquares + b.sumSquares };
}

function countRequests(
  brought: readonly (DeviceFigures | undefined)[],
  { gates, trial }: RolloutPlan,
): GateInputs['requests'] {
  return requestFigures(
    brought.map((figures) => ({
      ok: figures?.requests.ok ?? 0,
      failed: Object.values(figures?.requests.failed ?? {}).reduce((sum, count) => sum + count, 0),
      // Where the interface changes on purpose, what the old one alone fits says nothing of the version.
      refused: trial.breaking ? 0 : (figures?.requests.refused.fitBefore ?? 0),
    })),
    gates.minRequests,
  );
}

/**
 * Inputs alone: outputs follow from them, and a new version may well answer differently from its reference. A version
 * with nothing to compare with has no figures, which no gate takes for a pass.
 */
async function judgeDrift(
  sums: EvidenceSums,
  plan: RolloutPlan,
  drift: RolloutDrift,
): Promise<GateInputs['drift']> {
  const devices = sums.brought().length;
  const features = await drift.judge(plan, { units: sums.units(), devices }).catch((error: unknown) => {
    if (isAppError(error, 'drift_no_profile')) return undefined;
    throw error;
  });
  if (!features) return null;
  const inputs = features.filter((feature) => feature.role === 'input');
  return {
    features: inputs.length,
    withEvidence: inputs.reduce((least, feature) => Math.min(least, feature.devices), devices),
    drifting: inputs
      .filter((feature) => feature.verdict === 'drift')
      .map(({ name, psi }) => ({ name, psi: Number.isFinite(psi) ? psi : null })),
    tooFew: inputs.filter((feature) => feature.verdict === 'too-few').map((feature) => feature.name),
  };
}
