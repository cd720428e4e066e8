/** What an operator asks of a rollout. Shares are 0–1, times milliseconds; percentages are of the target set. */
import { type Static, Type } from 'typebox';
import { limits } from '../base/limits.ts';
import { GroupName, ModelName, SemVer } from '../base/names.ts';
import { TrialPlan } from '../protocol/desired-state.ts';

const share = Type.Number({ minimum: 0, maximum: 1 });
const durationMs = Type.Integer({ minimum: 0, maximum: 90 * 86_400_000 });
const waitMs = Type.Integer({ minimum: 100, maximum: 90 * 86_400_000 });

/** Size of a phase, cumulative: a percentage of the target set, or a number of devices. */
export const PhaseSize = Type.Union([
  Type.Object({ percent: Type.Number({ exclusiveMinimum: 0, maximum: 100 }) }),
  Type.Object({ devices: Type.Integer({ minimum: 1, maximum: limits.devicesPerRolloutMax }) }),
]);
export type PhaseSize = Static<typeof PhaseSize>;

export const GateRules = Type.Object({
  /** Failed, rejected, rolled-back and timed-out devices as a share of the completed ones. */
  maxFailures: share,
  /** Completed devices from which `maxFailures` is judged before a phase has ended, and without which it does not end well. */
  minCompleted: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.devicesPerRolloutMax })),
  /** Silent devices as a share of the phase. */
  maxSilent: share,
  /** Devices that saw too few requests to judge the version, as a share of the phase; absent is 0. */
  maxUnproven: Type.Optional(share),
  /** Failed requests as a share of all, as the mean over the devices that run the version. Absent: not asked. */
  maxErrorRate: Type.Optional(share),
  /** Requests from which the error rate is judged, of one device no more than of others; with fewer, a phase does not end well. */
  minRequests: Type.Integer({ minimum: 1, maximum: 1_000_000_000 }),
  /** What drift in the version's inputs does. */
  drift: Type.Union([Type.Literal('ignore'), Type.Literal('hold'), Type.Literal('roll-back')]),
  /** Share of features that may drift. */
  maxDriftShare: share,
});
export type GateRules = Static<typeof GateRules>;

export const RolloutPlan = Type.Object(
  {
    model: ModelName,
    version: SemVer,
    /** Absent: every enrolled device. */
    group: Type.Optional(GroupName),
    phases: Type.Array(PhaseSize, { minItems: 1, maxItems: limits.phasesPerRolloutMax }),
    /** Start not before this time (milliseconds since the epoch). */
    startAt: Type.Optional(Type.Integer({ minimum: 0 })),
    /** How long a phase whose devices are all done is watched before the next. */
    soakMs: durationMs,
    /** Without a sign of life for so long, a device that was offered the version is silent. */
    silenceMs: waitMs,
    /** A device that lives and is not done this long after the offer has timed out. */
    deviceTimeoutMs: waitMs,
    /** A phase that has not ended well after so long is paused. */
    phaseTimeoutMs: waitMs,
    gates: GateRules,
    trial: TrialPlan,
    /** What a verdict of `roll-back` does: roll-back aborts the rollout and reverts every device. */
    onFailure: Type.Union([Type.Literal('roll-back'), Type.Literal('pause')]),
  },
  { $id: 'RolloutPlan' },
);
export type RolloutPlan = Static<typeof RolloutPlan>;

/** Body of `POST /rollouts`: everything but the target and the phases has a default. */
export const RolloutRequest = Type.Object(
  {
    model: RolloutPlan.properties.model,
    version: RolloutPlan.properties.version,
    group: RolloutPlan.properties.group,
    phases: RolloutPlan.properties.phases,
    startAt: RolloutPlan.properties.startAt,
    soakMs: Type.Optional(durationMs),
    silenceMs: Type.Optional(waitMs),
    deviceTimeoutMs: Type.Optional(waitMs),
    phaseTimeoutMs: Type.Optional(waitMs),
    gates: Type.Optional(Type.Partial(GateRules)),
    trial: Type.Optional(Type.Partial(Type.Omit(TrialPlan, ['breaking']))),
    breaking: Type.Optional(
      Type.Boolean({
        description: 'Roll out although the interface breaks clients of the versions that run now',
      }),
    ),
    onFailure: Type.Optional(RolloutPlan.properties.onFailure),
  },
  { $id: 'RolloutRequest' },
);
export type RolloutRequest = Static<typeof RolloutRequest>;
