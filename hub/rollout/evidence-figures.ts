/**
 * The part of a rollout's evidence that gates judge: requests and drift over the devices that have switched to the version. Computed
 * when evidence or devices have changed; an evaluation without changes reuses it.
 */
import type { RolloutPlan } from '../../shared/api/rollout-plan.ts';
import { isAppError } from '../../shared/base/app-error.ts';
import type { GateInputs } from './gates.ts';
import { isPresent } from './phase-members.ts';
import { requestFigures } from './request-figures.ts';
import type { DeviceEvidence, RolloutDrift, RolloutTelemetry } from './rollout-evidence.ts';
import type { RolloutView } from './rollout-planner.ts';

type Figures = Pick<GateInputs, 'requests' | 'drift'>;
/** What each device contributed; undefined where that is nothing. */
type EvidencePerDevice = readonly (DeviceEvidence['figures'] | undefined)[];

export const noFigures: Figures = { requests: null, drift: null };

export class EvidenceFigures {
  readonly #telemetry: RolloutTelemetry;
  readonly #drift: RolloutDrift;
  /** By the evidence they were made from, with the devices. */
  readonly #made = new WeakMap<
    ReadonlyMap<string, DeviceEvidence>,
    { readonly switched: string; readonly figures: Figures }
  >();

  constructor({ telemetry, drift }: { readonly telemetry: RolloutTelemetry; readonly drift: RolloutDrift }) {
    this.#telemetry = telemetry;
    this.#drift = drift;
  }

  async of({ id, plan, devices }: Pick<RolloutView, 'id' | 'plan' | 'devices'>): Promise<Figures> {
    const switched = devices.filter(
      (d) => isPresent(d) && ['trial', 'succeeded', 'rolled-back'].includes(d.status),
    );
    if (switched.length === 0) return noFigures;
    const evidence = await this.#telemetry.evidence(id);
    const names = switched.map(({ deviceId, offeredAt }) => `${deviceId} ${offeredAt}`).join();
    const made = this.#made.get(evidence);
    if (made?.switched === names) return made.figures;
    const perDevice = switched.map(({ deviceId, offeredAt }) => {
      const found = evidence.get(deviceId);
      return found?.offeredAt === offeredAt ? found?.figures : undefined;
    });
    const figures = {
      requests: plan.gates.maxErrorRate === undefined ? null : countRequests(perDevice, plan),
      drift: plan.gates.drift === 'ignore' ? null : await judgeDrift(perDevice, plan, this.#drift),
    };
    this.#made.set(evidence, { switched: names, figures });
    return figures;
  }
}

function countRequests(perDevice: EvidencePerDevice, { gates, trial }: RolloutPlan): GateInputs['requests'] {
  return requestFigures(
    perDevice.map((figures) => ({
      ok: figures?.requests.ok ?? 0,
      failed: Object.values(figures?.requests.failed ?? {}).reduce((sum, count) => sum + count, 0),
      // Where the interface changes on purpose, requests that only the old one accepts are no evidence against the version.
      refused: trial.breaking ? 0 : (figures?.requests.refused.fitBefore ?? 0),
    })),
    gates.minRequests,
  );
}

/**
 * Inputs alone: outputs follow from them, and a new version may well answer differently from its reference. A version
 * with nothing to compare with has no figures, which no gate accepts as a pass.
 */
async function judgeDrift(
  perDevice: EvidencePerDevice,
  plan: RolloutPlan,
  drift: RolloutDrift,
): Promise<GateInputs['drift']> {
  const counts = perDevice.map((figures) => figures?.features ?? []);
  const features = await drift.judge(plan, counts).catch((error: unknown) => {
    if (isAppError(error, 'drift_no_profile')) return undefined;
    throw error;
  });
  if (!features) return null;
  const inputs = features.filter((feature) => feature.role === 'input');
  return {
    features: inputs.length,
    withEvidence: inputs.reduce((least, { devices }) => Math.min(least, devices), perDevice.length),
    drifting: inputs
      .filter((feature) => feature.verdict === 'drift')
      .map(({ name, psi }) => ({ name, psi: Number.isFinite(psi) ? psi : null })),
    tooFew: inputs.filter((feature) => feature.verdict === 'too-few').map((feature) => feature.name),
  };
}
