/** Rollouts: how each stands, and how its devices do. */
import { type Static, Type } from 'typebox';
import { DeviceId, RolloutId } from '../base/names.ts';
import { UpdateFault } from '../protocol/update-event.ts';
import { Milliseconds } from './milliseconds.ts';
import { next } from './page.ts';
import { RolloutPlan } from './rollout-plan.ts';

export const rolloutStatuses = [
  'draft',
  'awaiting-approval',
  'scheduled',
  'running',
  'paused',
  'completed',
  'aborted',
  'rolling-back',
  'rolled-back',
] as const;
export type RolloutStatus = (typeof rolloutStatuses)[number];

/**
 * proceed: the phase has ended well. inconclusive: not enough is known yet, wait. hold: something is wrong that needs a
 * person. roll-back: the version does harm. In rising order: the gravest reason decides.
 */
export const verdicts = ['proceed', 'inconclusive', 'hold', 'roll-back'] as const;
export type Verdict = (typeof verdicts)[number];

/** What is stored of a device: pending → offered → … → succeeded, or one of the ends. `blocked`: the hub could not offer it the version. */
export const storedStatuses = [
  'pending',
  'offered',
  'downloading',
  'staged',
  'qualifying',
  'trial',
  'succeeded',
  'failed',
  'rejected',
  'rolled-back',
  'withdrawn',
  'blocked',
] as const;
export type StoredStatus = (typeof storedStatuses)[number];

/** What is shown and judged: with those that only the clock can tell. */
export const deviceStatuses = [...storedStatuses, 'timed-out', 'unproven', 'silent', 'removed'] as const;
export type DeviceStatus = (typeof deviceStatuses)[number];

/** Outcome of reverting a version on a device. Absent until it has reported. */
export const revertOutcomes = [
  /** It reports another version, or none, as before the rollout. */
  'reverted',
  /** It ran the version before the rollout, and keeps it. */
  'unchanged',
  /** It has no version to go back to, and keeps this one. */
  'no-target',
  /** It refuses the version it is to go back to. */
  'refused',
  /** Another rollout of the model steers it. */
  'superseded',
  /** The model was taken off it: it has no version of it, or is to have none. */
  'unassigned',
  /** The hub could not change what its desired state says. */
  'not-sent',
] as const;
export type RevertOutcome = (typeof revertOutcomes)[number];

export const revertStatuses = ['pending', 'removed', ...revertOutcomes] as const;
export type RevertStatus = (typeof revertStatuses)[number];

const Counts = Type.Unsafe<Partial<Record<DeviceStatus, number>>>(
  Type.Object(Object.fromEntries(deviceStatuses.map((status) => [status, Type.Optional(Type.Integer())])), {
    description: 'Devices by status; absent is none',
  }),
);

export const RolloutSummary = Type.Object(
  {
    id: RolloutId,
    model: Type.String(),
    version: Type.String(),
    group: Type.Optional(Type.String()),
    status: Type.Enum([...rolloutStatuses]),
    reason: Type.Optional(Type.String({ description: 'Why it is in this status' })),
    phase: Type.Integer({ description: '1-based; the phase it is in, or ended in' }),
    phases: Type.Integer(),
    createdAt: Milliseconds,
    createdBy: Type.String(),
    startedAt: Type.Optional(Milliseconds),
    endedAt: Type.Optional(Milliseconds),
  },
  { $id: 'RolloutSummary' },
);
export type RolloutSummary = Static<typeof RolloutSummary>;

export type RevertCounts = Partial<Record<RevertStatus, number>>;
const RevertCounts = Type.Unsafe<RevertCounts>(
  Type.Object(Object.fromEntries(revertStatuses.map((status) => [status, Type.Optional(Type.Integer())])), {
    description: 'Devices whose version was reverted, by outcome; absent is none',
  }),
);

const RolloutDeviceState = Type.Object({
  device: DeviceId,
  status: Type.Enum([...deviceStatuses]),
  phase: Type.Optional(Type.Integer({ description: '1-based; absent for a removed device' })),
  since: Milliseconds,
  previousVersion: Type.Optional(Type.String()),
  revert: Type.Optional(
    Type.Enum([...revertStatuses], {
      description: 'Outcome of reverting the version on it',
    }),
  ),
  fault: Type.Optional(UpdateFault),
});

/** As the list of a rollout's devices shows one. */
export const RolloutDevice = Type.Object(
  {
    ordinal: Type.Integer({ description: 'Its place in the order of the rollout, from 0' }),
    ...RolloutDeviceState.properties,
    offeredAt: Type.Optional(Milliseconds),
    lastReportedAt: Type.Optional(Milliseconds),
    revertedAt: Type.Optional(Milliseconds),
  },
  { $id: 'RolloutDevice' },
);
export type RolloutDevice = Static<typeof RolloutDevice>;

/** Answer of `GET /rollouts/{id}/devices`. */
export const RolloutDevicePage = Type.Object(
  { devices: Type.Array(RolloutDevice), next },
  { $id: 'RolloutDevicePage' },
);
export type RolloutDevicePage = Static<typeof RolloutDevicePage>;

const Reason = Type.Object({
  code: Type.String(),
  verdict: Type.Enum([...verdicts]),
  text: Type.String(),
});

/** Answer of `POST /rollouts`, `GET /rollouts/{id}` and of every action on one. */
export const Rollout = Type.Object(
  {
    ...RolloutSummary.properties,
    plan: RolloutPlan,
    phaseList: Type.Array(
      Type.Object({
        size: Type.String({ description: 'As planned: "10 %" or "1 device"' }),
        devices: Type.Integer({ description: 'Cumulative' }),
        state: Type.Enum(['done', 'current', 'waiting']),
      }),
    ),
    target: Type.Integer({ description: 'Devices of the rollout that are still devices of the hub' }),
    trouble: Type.Optional(
      Type.Object(
        { since: Milliseconds, code: Type.String(), message: Type.String() },
        { description: 'Why the hub cannot advance it; it tries again and again' },
      ),
    ),
    /** What speaks against it and may pass; told once, to who creates it. */
    warnings: Type.Optional(Type.Array(Type.String())),
    counts: Counts,
    revert: Type.Optional(RevertCounts),
    /** Those that failed, are silent, are on their way or not back, are back, in this order, at most `limits.rolloutDevicesNamedMax`. */
    devices: Type.Array(RolloutDeviceState),
    /** Newest first, at most `limits.rolloutVerdictsShownMax`. */
    verdicts: Type.Array(
      Type.Object({
        at: Milliseconds,
        phase: Type.Integer({ description: '1-based' }),
        verdict: Type.Enum([...verdicts]),
        reasons: Type.Array(Reason),
      }),
    ),
    leftOut: Type.Optional(
      Type.Object(
        { devices: Type.Integer(), olderVerdicts: Type.Boolean() },
        { description: 'What `devices` and `verdicts` leave out; absent when nothing is left out' },
      ),
    ),
  },
  { $id: 'Rollout' },
);
export type Rollout = Static<typeof Rollout>;

/** Answer of `GET /rollouts`. */
export const RolloutPage = Type.Object(
  { rollouts: Type.Array(RolloutSummary), next },
  { $id: 'RolloutPage' },
);
export type RolloutPage = Static<typeof RolloutPage>;

const reason = Type.Optional(Type.String({ minLength: 1, maxLength: 500, description: 'For the audit log' }));

/** Body of an action on a rollout. A request without a body gives no reason. */
export const RolloutActionRequest = Type.Union([Type.Object({ reason }), Type.Null()]);
export type RolloutActionRequest = Static<typeof RolloutActionRequest>;

/** Body of `POST /rollouts/{id}/abort`. */
export const RolloutAbortRequest = Type.Union([
  Type.Object({
    reason,
    keep: Type.Optional(Type.Boolean({ description: 'Leave the version on the devices that took it' })),
  }),
  Type.Null(),
]);
export type RolloutAbortRequest = Static<typeof RolloutAbortRequest>;
