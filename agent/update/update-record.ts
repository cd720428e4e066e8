/**
 * What a device remembers of one model's update: the attempt under way or settled last, versions that are quarantined, and
 * desired versions already answered with a refusal. One file a model, replaced as a whole before each action.
 */
import { type Static, Type } from 'typebox';
import { isJsonObject } from '../../shared/base/json-object.ts';
import { Digest, ModelName, RolloutId, SemVer } from '../../shared/base/names.ts';
import { parser } from '../../shared/base/parse.ts';
import { readJson } from '../../shared/base/read-json.ts';
import { TrialPlan } from '../../shared/protocol/desired-state.ts';
import { UpdateFault, UpdateState } from '../../shared/protocol/update-event.ts';

const count = Type.Integer({ minimum: 0 });
export const updateRecordBytesMax = 256 * 1024;

/** Counts since the version was switched to. */
export const TrialFigures = Type.Object({
  /** Requests it ran, and those of them that failed. */
  requests: count,
  failed: count,
  crashes: count,
  /** Requests whose tensors it refused and the version before takes; not among `requests`. */
  refused: Type.Optional(count),
});
export type TrialFigures = Static<typeof TrialFigures>;
export const noFigures: TrialFigures = { requests: 0, failed: 0, crashes: 0 };

export const Attempt = Type.Object({
  version: SemVer,
  release: Type.Integer({ minimum: 1 }),
  manifest: Digest,
  rollout: Type.Optional(RolloutId),
  /** Which offer of the rollout. */
  offer: Type.Optional(count),
  sequence: count,
  trial: TrialPlan,
  state: UpdateState,
  /** When the state was entered, milliseconds since the epoch. */
  since: count,
  /** How often the agent ended in the middle of this state's own work, since the work last came on. */
  restarts: count,
  /** The machine's boot in which that work began; absent while it rests or has ended in order. */
  working: Type.Optional(Type.String({ maxLength: 64 })),
  /** How far the work had come when the agent was last started; see restart-count.ts. */
  progress: Type.Optional(count),
  /** The most golden samples that were right in one life of the agent, as far as one looked; see live-record.ts. */
  samplesDone: Type.Optional(count),
  /** How often the work of this attempt has failed and may be tried again. */
  failures: count,
  /** Execution provider that qualification chose. */
  provider: Type.Optional(Type.String({ maxLength: 16 })),
  fault: Type.Optional(UpdateFault),
  facts: Type.Optional(
    Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()])),
  ),
  /** Trial so far, over restarts: time served, milliseconds, and figures of the agent's earlier lives. */
  trialSpentMs: Type.Number({ minimum: 0 }),
  trialBefore: TrialFigures,
  /** Number of the event of this state, and whether the outbox has it. */
  event: count,
  announced: Type.Boolean(),
});
export type Attempt = Static<typeof Attempt>;

export const QuarantinedVersion = Type.Object({
  manifest: Digest,
  version: SemVer,
  until: count,
  reason: Type.String({ maxLength: 2_000 }),
  /** Desired state it failed under: a release that came later lifts it. */
  sequence: Type.Optional(count),
});
export type QuarantinedVersion = Static<typeof QuarantinedVersion>;

export const UpdateRecord = Type.Object({
  v: Type.Literal(2),
  model: ModelName,
  /** Names this record's events; a record that was lost starts another stream, so ids never collide. */
  stream: Type.String({ pattern: '^[0-9a-f]{16}$' }),
  attempt: Type.Optional(Attempt),
  quarantined: Type.Array(QuarantinedVersion, { maxItems: 64 }),
  /** Desired versions (manifest and `desiredKey`) that were answered with a refusal; the same one is not tried again. */
  answered: Type.Array(
    Type.Object({
      manifest: Digest,
      desiredKey: Type.String({ maxLength: 64 }),
      sequence: Type.Optional(count),
    }),
    { maxItems: 64 },
  ),
  /** The highest release of the hub that was followed, as the sequence of its desired state. */
  released: Type.Optional(count),
});
export type UpdateRecord = Static<typeof UpdateRecord>;

const parseCurrent = parser(UpdateRecord, 'update journal');

/** Reads a record of this version or of version 1. */
export function parseUpdateRecord(bytes: Uint8Array): UpdateRecord {
  const value = readJson(bytes, 'update journal', { bytesMax: updateRecordBytesMax });
  return parseCurrent(updateRecordFromV1(value));
}

/** Version 1 had other names for two fields: `parked` is `quarantined`, `wish` in an answer is `desiredKey`. */
function updateRecordFromV1(value: unknown): unknown {
  if (!isJsonObject(value) || value['v'] !== 1 || !('parked' in value) || !Array.isArray(value['answered'])) {
    return value;
  }
  const { parked, answered, ...rest } = value;
  return { ...rest, v: 2, quarantined: parked, answered: value['answered'].map(answerFromV1) };
}

function answerFromV1(answer: unknown): unknown {
  if (!isJsonObject(answer)) return answer;
  const { wish, ...rest } = answer;
  return { ...rest, desiredKey: wish };
}

/** Entries kept of `quarantined` and `answered`; the oldest leave first. */
export const recordEntriesMax = 64;

/** Names who asked for a version: a rollout, or, without one, a single desired state. */
export function desiredKey(desired: {
  readonly rollout?: string | undefined;
  readonly sequence: number;
}): string {
  return desired.rollout ?? `sequence-${desired.sequence}`;
}
