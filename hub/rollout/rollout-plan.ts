/**
 * What an operator asks of a rollout, and the checks that need no database: a plan that cannot work is refused before
 * anything starts, with the part that is wrong. Shares are 0–1, times milliseconds; percentages are of the target set.
 */
import { type PhaseSize, RolloutPlan, type RolloutRequest } from '../../shared/api/rollout-plan.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { formatDuration } from '../../shared/base/duration.ts';
import { limits } from '../../shared/base/limits.ts';
import { parser } from '../../shared/base/parse.ts';

/** The last instant that a Date can hold. */
const LAST_TIME_MS = 8.64e15;

export const planDefaults = {
  soakMs: 10 * 60_000,
  silenceMs: 30 * 60_000,
  deviceTimeoutMs: 6 * 3_600_000,
  phaseTimeoutMs: 24 * 3_600_000,
  gates: {
    maxFailures: 0.05,
    maxSilent: 0.5,
    maxUnproven: 0,
    minRequests: 100,
    drift: 'ignore',
    maxDriftShare: 0,
  },
  trial: { seconds: 600, minRequests: 20, maxErrorRate: 0.1, maxCrashes: 1 },
  onFailure: 'roll-back',
} as const satisfies Omit<RolloutPlan, 'model' | 'version' | 'phases'>;

/** Fills in the defaults and checks what needs no target. Throws `rollout_plan_invalid`. */
export function makePlan(request: RolloutRequest): RolloutPlan {
  const { breaking, ...asked } = request;
  const plan: RolloutPlan = {
    ...planDefaults,
    ...withoutUndefined(asked),
    gates: { ...planDefaults.gates, ...withoutUndefined(request.gates ?? {}) },
    trial: {
      ...planDefaults.trial,
      ...withoutUndefined(request.trial ?? {}),
      ...(breaking ? { breaking } : {}),
    },
  };
  checkPhasesRise(plan.phases);
  checkTimes(plan);
  return plan;
}

/** Devices in each phase, cumulative. Throws `rollout_plan_invalid` when the plan does not fit a target of `targetSize` devices. */
export function phaseSizes(
  plan: Pick<RolloutPlan, 'phases' | 'gates'>,
  targetSize: number,
): readonly number[] {
  const sizes = plan.phases.map((phase) => phaseSize(phase, targetSize));
  for (const [index, size] of sizes.entries()) {
    if (index > 0 && size < sizes[index - 1]!) {
      throw refused(
        `phase ${index + 1} (${phaseText(plan.phases[index]!)} of ${targetSize} devices: ${size}) is smaller than the phase before it (${sizes[index - 1]})`,
      );
    }
  }
  const { minCompleted } = plan.gates;
  if (minCompleted !== undefined && minCompleted > targetSize) {
    throw refused(`it waits for ${minCompleted} completed devices, but the target has only ${targetSize}`);
  }
  return sizes;
}

/** Devices in each phase of a rollout that is under way, of those that are left; a later phase is never smaller. */
export function phaseSizesNow(plan: Pick<RolloutPlan, 'phases'>, present: number): readonly number[] {
  let largest = 0;
  return plan.phases.map((phase) => {
    largest = Math.max(largest, phaseSize(phase, present));
    return largest;
  });
}

/** ⌈share · n⌉ devices, at least one; the product is rounded first so that 0.07 · 100 is 7 and not 8. */
export function phaseSize(phase: PhaseSize, targetSize: number): number {
  if ('devices' in phase) return Math.min(phase.devices, targetSize);
  const exact = Number(((phase.percent * targetSize) / 100).toFixed(6));
  return Math.min(targetSize, Math.max(1, Math.ceil(exact)));
}

export function phaseText(phase: PhaseSize): string {
  if ('percent' in phase) return `${phase.percent} %`;
  return phase.devices === 1 ? '1 device' : `${phase.devices} devices`;
}

/** Reads a stored plan. */
export const parsePlan = parser(RolloutPlan, 'stored rollout plan', 'internal');

function checkPhasesRise(phases: readonly PhaseSize[]): void {
  const last = phases.at(-1)!;
  if (!('percent' in last) || last.percent !== 100) {
    throw refused(`its last phase is ${phaseText(last)}, expected 100 %`);
  }
  for (const unit of ['percent', 'devices'] as const) {
    let highest = 0;
    for (const [index, phase] of phases.entries()) {
      const size = (phase as Partial<Record<typeof unit, number>>)[unit];
      if (size === undefined) continue;
      if (size <= highest) {
        throw refused(`phase ${index + 1} (${phaseText(phase)}) is not larger than an earlier one`);
      }
      highest = size;
    }
  }
}

function checkTimes(plan: RolloutPlan): void {
  const trialMs = plan.trial.seconds * 1_000;
  if (trialMs >= plan.deviceTimeoutMs) {
    throw refused(
      `a trial of ${formatDuration(trialMs)} does not end within the ${formatDuration(plan.deviceTimeoutMs)} that a device has (--device-timeout)`,
    );
  }
  if (plan.soakMs + trialMs >= plan.phaseTimeoutMs) {
    throw refused(
      `a trial of ${formatDuration(trialMs)} and a soak of ${formatDuration(plan.soakMs)} do not fit into the ${formatDuration(plan.phaseTimeoutMs)} that a phase has (--phase-timeout)`,
    );
  }
}

/**
 * Seconds read as milliseconds are a time in 1970, microseconds one in thousands of years: neither was meant. `now` in
 * milliseconds since the epoch. Throws `rollout_plan_invalid`.
 */
export function checkStart({ startAt }: Pick<RolloutPlan, 'startAt'>, now: number): void {
  if (startAt === undefined) return;
  const isFar = startAt - now > limits.rolloutStartAheadMsMax;
  if (!isFar && now - startAt <= limits.rolloutStartPastMsMax) return;
  const shown = startAt <= LAST_TIME_MS ? new Date(startAt).toISOString() : `${startAt} ms after 1970`;
  const why = isFar ? `more than ${formatDuration(limits.rolloutStartAheadMsMax)} ahead` : 'in the past';
  throw refused(`it starts ${why}, at ${shown}`);
}

function refused(reason: string): AppError {
  return new AppError('rollout_plan_invalid', `Cannot use this plan: ${reason}.`);
}

function withoutUndefined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as T;
}
