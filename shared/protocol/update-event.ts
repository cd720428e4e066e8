/**
 * The states of a device's update machine and the event it sends when it enters one. Events travel through the
 * device's outbox: in order, kept until the hub has stored them; `id` makes a second delivery harmless.
 */
import { type Static, Type } from 'typebox';
import { limits } from '../base/limits.ts';
import { mapOf } from '../base/map-of.ts';
import { Digest, ModelName, RolloutId, SemVer, Timestamp } from '../base/names.ts';
import { jsonParser } from '../base/parse.ts';
import { hideFolders } from '../base/without-folders.ts';

export const updateStates = [
  'idle',
  'checking',
  'downloading',
  'verifying',
  'staged',
  'held',
  'qualifying',
  'activating',
  'trial',
  'committed',
  'rolling-back',
  'rolled-back',
  'rejected',
] as const;
/**
 * `rejected`: refused before anything was switched (not trusted, not compatible, no disk space, golden samples wrong);
 * the active version never changed. `rolled-back`: it was switched to, and the device went back by itself or by order.
 */
export type UpdateState = (typeof updateStates)[number];
export const UpdateState = Type.Enum([...updateStates]);

export const UpdateFault = Type.Object(
  {
    /** An error code of the catalogue. */
    code: Type.String({ pattern: '^[a-z][a-z0-9_]{0,63}$' }),
    message: Type.String({ maxLength: 2_000 }),
    retry: Type.Union([Type.Literal('never'), Type.Literal('later')]),
  },
  { $id: 'UpdateFault' },
);
export type UpdateFault = Static<typeof UpdateFault>;

export const UpdateEvent = Type.Object(
  {
    v: Type.Literal(1),
    /** Unique per device: `<stream>-<number>`. */
    id: Type.String({ pattern: '^[A-Za-z0-9-]{1,64}$' }),
    at: Timestamp,
    model: ModelName,
    version: SemVer,
    manifest: Digest,
    rollout: Type.Optional(RolloutId),
    sequence: Type.Integer({ minimum: 0 }),
    state: UpdateState,
    /** Why the update failed; present in `rolling-back`, `rolled-back` and `rejected`. */
    fault: Type.Optional(UpdateFault),
    /** Facts of qualification: execution provider used, golden samples run, latency, memory. */
    facts: Type.Optional(
      mapOf(Type.Union([Type.String({ maxLength: 512 }), Type.Number(), Type.Boolean()]), {
        keys: '^[A-Za-z0-9_.-]{1,64}$',
        entriesMax: limits.qualificationFactsMax,
      }),
    ),
  },
  { $id: 'UpdateEvent' },
);
export type UpdateEvent = Static<typeof UpdateEvent>;
export const parseUpdateEvent = jsonParser(UpdateEvent, 'update event', limits.controlMessageBytesMax);

/** As it travels: no text names a folder of the device. Facts that would make it longer than a message may be are left out: the state is what must arrive. */
export function encodeUpdateEvent(event: UpdateEvent): Uint8Array {
  const encoder = new TextEncoder();
  const whole = encoder.encode(JSON.stringify(event, hideFolders));
  if (whole.byteLength <= limits.controlMessageBytesMax) return whole;
  const { facts: _, ...rest } = event;
  return encoder.encode(JSON.stringify(rest, hideFolders));
}
