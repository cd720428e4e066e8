/**
 * Desired state: what the hub wants on one device. A DSSE envelope (see shared/tuf/dsse.ts) signed with the hub's
 * director key, whose public half is a TUF target. `sequence` grows for ever per device: an agent refuses one that is
 * not above the highest it has accepted, so an old statement cannot be replayed.
 */
import { type Static, Type } from 'typebox';
import { limits } from '../base/limits.ts';
import { DeviceId, Digest, ModelName, RolloutId, SemVer, Timestamp } from '../base/names.ts';
import { jsonParser } from '../base/parse.ts';

export const desiredStateType = 'application/vnd.modelfleet.desired-state+json';

/** Name of the TUF target that holds the director's public keys (JSON, see `DirectorKeys`). */
export const directorTarget = 'director.json';

export const DirectorKeys = Type.Object({
  v: Type.Literal(1),
  keys: Type.Array(Type.Object({ keyid: Digest, publicKeyPem: Type.String({ maxLength: 1024 }) }), {
    minItems: 1,
    maxItems: 8,
  }),
});
export type DirectorKeys = Static<typeof DirectorKeys>;
export const parseDirectorKeys = jsonParser(DirectorKeys, 'director keys', limits.controlMessageBytesMax);

/** How long and under which watch a device tries the version before it commits it. */
export const TrialPlan = Type.Object({
  seconds: Type.Number({ minimum: 0, maximum: 7 * 86_400 }),
  /**
   * Requests a device must have seen to commit; with fewer the trial goes on after its time. 0: time alone commits.
   * Failures and crashes are judged whatever their number.
   */
  minRequests: Type.Integer({ minimum: 0, maximum: 1_000_000 }),
  maxErrorRate: Type.Number({ minimum: 0, maximum: 1 }),
  maxCrashes: Type.Integer({ minimum: 0, maximum: 100 }),
  /** The interface changes on purpose: requests that fit the version before alone do not count against the trial. */
  breaking: Type.Optional(Type.Boolean()),
});
export type TrialPlan = Static<typeof TrialPlan>;

/** Whether time alone may not commit. Where every share of failures is allowed, requests could prove nothing. */
export function asksForRequests({ minRequests, maxErrorRate }: TrialPlan): boolean {
  return minRequests > 0 && maxErrorRate < 1;
}

export const DesiredModel = Type.Object({
  model: ModelName,
  version: SemVer,
  release: Type.Integer({ minimum: 1 }),
  manifest: Digest,
  rollout: Type.Optional(RolloutId),
  /** Which offer of the rollout: one that was withdrawn and made again is another. Repeated in telemetry. */
  offer: Type.Optional(Type.Integer({ minimum: 1 })),
  trial: TrialPlan,
});
export type DesiredModel = Static<typeof DesiredModel>;

/** A model that is listed nowhere is left as it is on the device. */
export const DesiredState = Type.Object({
  v: Type.Literal(1),
  device: DeviceId,
  sequence: Type.Integer({ minimum: 1 }),
  issued: Timestamp,
  expires: Timestamp,
  models: Type.Array(DesiredModel, { maxItems: limits.modelsPerDeviceMax }),
  /** Of these models the device lifts what it has quarantined or refused under desired states before sequence `at`. */
  released: Type.Optional(
    Type.Array(Type.Object({ model: ModelName, at: Type.Integer({ minimum: 1 }) }), {
      maxItems: limits.modelsPerDeviceMax,
    }),
  ),
  /** Models that the device gives up: it stops answering for them and deletes what it has of them. None of them is in `models`. */
  unassigned: Type.Optional(Type.Array(ModelName, { maxItems: limits.unassignedModelsMax })),
});
export type DesiredState = Static<typeof DesiredState>;
export const parseDesiredState = jsonParser(DesiredState, 'desired state', limits.controlMessageBytesMax);
