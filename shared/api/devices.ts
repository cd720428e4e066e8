/** Devices: what the hub knows of each, and what it last reported. */
import { type Static, Type } from 'typebox';
import { DeviceId, GroupName, ModelName } from '../base/names.ts';
import { DeviceFacts } from '../protocol/enrolment.ts';
import { Condition, ReportedModel } from '../protocol/reported-state.ts';
import { UpdateEvent } from '../protocol/update-event.ts';
import { Milliseconds } from './milliseconds.ts';
import { next } from './page.ts';

export const DeviceSummary = Type.Object(
  {
    id: DeviceId,
    group: GroupName,
    connected: Type.Boolean(),
    lastSeenAt: Type.Optional(Milliseconds),
    enrolledAt: Milliseconds,
    models: Type.Array(
      Type.Object({
        model: Type.String(),
        version: Type.Optional(Type.String({ description: 'The version that answers requests' })),
        provider: Type.Optional(Type.String()),
        update: Type.Optional(
          Type.Object({
            version: Type.String(),
            state: Type.String(),
            fault: Type.Optional(Type.String({ description: 'Error code' })),
          }),
        ),
      }),
    ),
    conditions: Type.Array(Condition),
  },
  { $id: 'DeviceSummary' },
);
export type DeviceSummary = Static<typeof DeviceSummary>;

/** Answer of `GET /devices`. */
export const DevicePage = Type.Object({ devices: Type.Array(DeviceSummary), next }, { $id: 'DevicePage' });
export type DevicePage = Static<typeof DevicePage>;

/** Answer of `GET` and `PATCH /devices/{id}`. */
export const Device = Type.Object(
  {
    id: DeviceId,
    group: GroupName,
    connected: Type.Boolean(),
    lastSeenAt: Type.Optional(Milliseconds),
    enrolledAt: Milliseconds,
    certificate: Type.Object({ serial: Type.String(), sha256: Type.String(), expiresAt: Milliseconds }),
    facts: DeviceFacts,
    reportedAt: Type.Optional(Milliseconds),
    sequence: Type.Optional(Type.Integer({ description: 'Highest desired-state sequence accepted' })),
    freeBytes: Type.Optional(Type.Integer()),
    models: Type.Array(ReportedModel),
    conditions: Type.Array(Condition),
    events: Type.Array(Type.Object({ at: Milliseconds, event: UpdateEvent })),
  },
  { $id: 'Device' },
);
export type Device = Static<typeof Device>;

/** Body of `PATCH /devices/{id}`. */
export const DeviceChange = Type.Object({ group: GroupName }, { $id: 'DeviceChange' });
export type DeviceChange = Static<typeof DeviceChange>;

/** Answer of `GET /groups`. */
export const GroupPage = Type.Object(
  { groups: Type.Array(Type.Object({ group: GroupName, devices: Type.Integer() })), next },
  { $id: 'GroupPage' },
);
export type GroupPage = Static<typeof GroupPage>;

/** Body and answer of `POST /devices/{id}/release`. */
export const DeviceReleaseRequest = Type.Object({ model: ModelName }, { $id: 'DeviceReleaseRequest' });
export type DeviceReleaseRequest = Static<typeof DeviceReleaseRequest>;
export const DeviceRelease = Type.Object(
  {
    device: DeviceId,
    model: ModelName,
    sequence: Type.Integer({ description: 'The device has it when it reports this sequence' }),
    quarantined: Type.Array(Type.String()),
  },
  { $id: 'DeviceRelease' },
);
export type DeviceRelease = Static<typeof DeviceRelease>;
