/** A device as REST shows it: what the hub knows of it, and what it last said of itself. */
import type { Device, DeviceSummary } from '../../shared/api/devices.ts';
import type { DeviceFacts } from '../../shared/protocol/enrolment.ts';
import {
  type Condition,
  type ReportedState,
  reportedStateFromV1,
} from '../../shared/protocol/reported-state.ts';
import type { DeviceRow } from './device-store.ts';
import type { SharedIdentity } from './identity-watch.ts';

/** What is live, and so not in the row: the broker knows who is connected, the service who spoke last. */
export interface Presence {
  readonly connected: boolean;
  readonly lastSeenAt: number | undefined;
  /** Two agents use the identity of the device. */
  readonly shared: SharedIdentity | undefined;
}

export function summarize(row: DeviceRow, presence: Presence): DeviceSummary {
  const reported = reportedOf(row);
  return {
    id: row.id,
    group: row.device_group,
    ...seen(presence),
    enrolledAt: row.enrolled_at,
    models: (reported?.models ?? []).map(({ model, active, provider, update }) => ({
      model,
      ...(active ? { version: active.version } : {}),
      ...(provider === undefined ? {} : { provider }),
      ...(update
        ? {
            update: {
              version: update.version,
              state: update.state,
              ...(update.fault ? { fault: update.fault.code } : {}),
            },
          }
        : {}),
    })),
    conditions: conditionsOf(reported, presence),
  };
}

export function describe(row: DeviceRow, presence: Presence, events: Device['events']): Device {
  const reported = reportedOf(row);
  return {
    id: row.id,
    group: row.device_group,
    ...seen(presence),
    enrolledAt: row.enrolled_at,
    certificate: {
      serial: row.certificate_serial,
      sha256: row.certificate_sha256,
      expiresAt: row.certificate_expires_at,
    },
    facts: reported?.facts ?? (JSON.parse(row.facts) as Device['facts']),
    ...(row.reported === null || row.reported_at === null ? {} : { reportedAt: row.reported_at }),
    ...(reported ? { sequence: reported.sequence, freeBytes: reported.freeBytes } : {}),
    models: reported?.models ?? [],
    conditions: conditionsOf(reported, presence),
    events,
  };
}

/** What a device last reported of itself. */
export interface DeviceReport {
  readonly id: string;
  /** From its last report, else from its enrolment. */
  readonly facts: DeviceFacts;
  /** Absent until it has reported. */
  readonly reported?: ReportedState;
  /** A restore has invalidated its last report: the hub may not know what the device runs, and why. */
  readonly isReportLost: boolean;
}

export function reportOf(row: DeviceRow): DeviceReport {
  const reported = reportedOf(row);
  const facts = reported?.facts ?? (JSON.parse(row.facts) as DeviceFacts);
  const isReportLost = reported === undefined && row.reported_at !== null;
  return { id: row.id, facts, isReportLost, ...(reported ? { reported } : {}) };
}

/** The row holds only what passed the schema on its way in; an older hub may have stored version 1. */
export function reportedOf(row: Pick<DeviceRow, 'reported'>): ReportedState | undefined {
  if (row.reported === null) return undefined;
  return reportedStateFromV1(JSON.parse(row.reported)) as ReportedState;
}

/** What the device says of itself, and what only the hub can see. */
function conditionsOf(reported: ReportedState | undefined, { shared }: Presence): Condition[] {
  const own = reported?.conditions ?? [];
  if (!shared) return own;
  const text = `Agents of more than one start connect as this device in turn, last at ${new Date(shared.at).toISOString()}, from ${shared.addresses.join(', ')}: its data folder was copied. Enrol the copy under an id of its own.`;
  return [
    ...own.filter(({ code }) => code !== 'identity_shared'),
    { code: 'identity_shared', severity: 'error', text },
  ];
}

function seen({ connected, lastSeenAt }: Presence): { connected: boolean; lastSeenAt?: number } {
  return { connected, ...(lastSeenAt === undefined ? {} : { lastSeenAt }) };
}
