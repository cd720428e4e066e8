/** Reported state: what a device says it runs. Sent on connect, on every change, and as a heartbeat. */
import { type Static, Type } from 'typebox';
import { isJsonObject } from '../base/json-object.ts';
import { limits } from '../base/limits.ts';
import { Digest, ModelName, SemVer, Timestamp } from '../base/names.ts';
import { jsonParser, parser } from '../base/parse.ts';
import { readJson } from '../base/read-json.ts';
import { DeviceFacts } from './enrolment.ts';
import { UpdateFault, UpdateState } from './update-event.ts';

export const InstalledVersion = Type.Object({
  version: SemVer,
  manifest: Digest,
  release: Type.Integer({ minimum: 1 }),
  /** Kept, and the device was taken off it: it is not what to go back to. */
  left: Type.Optional(Type.Boolean()),
});
export type InstalledVersion = Static<typeof InstalledVersion>;

/** `in-line`: the hub serves other devices first, and sends the chunks when it is this one's turn. */
const UpdateWaiting = Type.Object({
  reason: Type.String({ pattern: '^[a-z][a-z-]{0,31}$' }),
  text: Type.String({ maxLength: 200 }),
  since: Timestamp,
});
export type UpdateWaiting = Static<typeof UpdateWaiting>;

export const ReportedModel = Type.Object(
  {
    model: ModelName,
    /** The version that answers requests now. During a trial it is the one on trial. */
    active: Type.Optional(InstalledVersion),
    provider: Type.Optional(Type.String({ maxLength: 16 })),
    previous: Type.Array(InstalledVersion, { maxItems: 16 }),
    /** Highest release ever committed: a lower one is refused unless it is `active` or among `previous`. */
    floor: Type.Optional(Type.Integer({ minimum: 0 })),
    update: Type.Optional(
      Type.Object({
        version: SemVer,
        state: UpdateState,
        since: Timestamp,
        bytesHave: Type.Optional(Type.Integer({ minimum: 0 })),
        bytesTotal: Type.Optional(Type.Integer({ minimum: 0 })),
        /** What keeps it from going on is neither a fault nor the device's doing. */
        waiting: Type.Optional(UpdateWaiting),
        fault: Type.Optional(UpdateFault),
      }),
    ),
    /** Versions this device will not try again before `until`. */
    quarantined: Type.Array(
      Type.Object({ version: SemVer, until: Timestamp, reason: Type.String({ maxLength: 2_000 }) }),
      { maxItems: 64 },
    ),
  },
  { $id: 'ReportedModel' },
);
export type ReportedModel = Static<typeof ReportedModel>;

/** A lasting condition an operator should know: stable code, severity, text. */
export const Condition = Type.Object(
  {
    code: Type.String({ pattern: '^[a-z][a-z0-9_]{0,63}$' }),
    severity: Type.Union([Type.Literal('warning'), Type.Literal('error')]),
    text: Type.String({ maxLength: 2_000 }),
  },
  { $id: 'Condition' },
);
export type Condition = Static<typeof Condition>;

export const ReportedState = Type.Object({
  v: Type.Literal(2),
  at: Timestamp,
  /** Highest desired-state sequence accepted. */
  sequence: Type.Integer({ minimum: 0 }),
  facts: DeviceFacts,
  freeBytes: Type.Integer({ minimum: 0 }),
  models: Type.Array(ReportedModel, { maxItems: limits.modelsPerDeviceMax }),
  conditions: Type.Array(Condition, { maxItems: 64 }),
});
export type ReportedState = Static<typeof ReportedState>;

const parseCurrent = parser(ReportedState, 'reported state');

/** Reads what a device sends; what an agent of version 1 sends becomes version 2. */
export function parseReportedState(bytes: Uint8Array): ReportedState {
  const value = readJson(bytes, 'reported state', { bytesMax: limits.controlMessageBytesMax });
  return parseCurrent(reportedStateFromV1(value));
}

/** Version 1 called the field `quarantined` of a model `parked`. A value of any other version is returned as it is. */
export function reportedStateFromV1(value: unknown): unknown {
  if (!isJsonObject(value) || value['v'] !== 1 || !Array.isArray(value['models'])) return value;
  const models = value['models'].map((model: unknown) => {
    if (!isJsonObject(model) || !('parked' in model)) return model;
    const { parked, ...rest } = model;
    return { quarantined: parked, ...rest };
  });
  return { ...value, v: 2, models };
}

/** `presence` is sent after each connect and is the last will: `{"v":1,"online":false}` when the connection is lost. */
export const Presence = Type.Object({ v: Type.Literal(1), online: Type.Boolean() });
export type Presence = Static<typeof Presence>;
export const parsePresence = jsonParser(Presence, 'presence', 1024);
