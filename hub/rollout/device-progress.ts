/**
 * The status of one device in one rollout, and what each message from it changes. Pure. What the hub itself did (refused, shed,
 * reverted an offer) is never a failure of the device; silence and timeouts are not messages, so they are computed from
 * the clock on demand (`statusAt`) and no longer apply once the device reports again.
 */
import type { DeviceStatus, RevertOutcome, StoredStatus } from '../../shared/api/rollouts.ts';
import { isEnvironmental } from '../../shared/errors/error-class.ts';
import { asksForRequests, type TrialPlan } from '../../shared/protocol/desired-state.ts';
import type { UpdateFault, UpdateState } from '../../shared/protocol/update-event.ts';

export interface RolloutDevice {
  readonly deviceId: string;
  readonly ordinal: number;
  readonly status: StoredStatus;
  /** True while the device's desired state names the version because of this rollout. */
  readonly assigned: boolean;
  /** Sequence of the statement that offered the version, or reverted it; the device has seen it when it reports as much. */
  readonly sequence: number | null;
  /** What the device reports to have run before; once the version is reverted, its rollback target. Null when nothing. */
  readonly previousVersion: string | null;
  readonly offeredAt: number | null;
  readonly changedAt: number;
  readonly lastReportedAt: number | null;
  /** When the outcome of the revert became known; null while the device's report is awaited. */
  readonly revertedAt: number | null;
  /** That outcome. */
  readonly revertOutcome: RevertOutcome | null;
  /** When the hub last failed to offer it the version or to revert it; null once that succeeded. */
  readonly triedAt: number | null;
  readonly fault: UpdateFault | null;
  /** When it was removed from the hub; a machine that is enrolled under its id later is another device. */
  readonly removedAt: number | null;
}

/** A device's report on one model: an update event, or the entry of a reported state. */
export type DeviceMessage =
  | {
      readonly kind: 'event';
      readonly version: string;
      readonly state: UpdateState;
      readonly fault?: UpdateFault;
    }
  | {
      readonly kind: 'report';
      /** Highest desired-state sequence the device has accepted. */
      readonly sequence: number;
      readonly activeVersion?: string;
      /** The version it last committed. */
      readonly lastGood?: string;
      readonly update?: {
        readonly version: string;
        readonly state: UpdateState;
        readonly fault?: UpdateFault;
      };
    };

const statusOfState: Readonly<Record<UpdateState, StoredStatus | undefined>> = {
  idle: undefined,
  checking: 'downloading',
  downloading: 'downloading',
  verifying: 'downloading',
  staged: 'staged',
  held: 'staged',
  qualifying: 'qualifying',
  activating: 'qualifying',
  trial: 'trial',
  committed: 'succeeded',
  // It still runs the version; the end comes with `rolled-back`.
  'rolling-back': 'trial',
  'rolled-back': 'rolled-back',
  rejected: 'rejected',
};

const inFlight: ReadonlySet<StoredStatus> = new Set([
  'offered',
  'downloading',
  'staged',
  'qualifying',
  'trial',
]);
const failures: ReadonlySet<DeviceStatus> = new Set(['failed', 'rejected', 'rolled-back', 'timed-out']);

/** True while the device has the offer and has not come to an end. */
export function isInFlight(status: DeviceStatus): boolean {
  return inFlight.has(status as StoredStatus);
}

/** True for the ends that count against the version. */
export function isFailure(status: DeviceStatus): boolean {
  return failures.has(status);
}

/** True once the device has switched to the version, as far as is known. */
export function hasSwitched(status: StoredStatus): boolean {
  return status === 'trial' || status === 'succeeded';
}

/** The device after a message that came in at `now`. */
export function applyMessage(
  device: RolloutDevice,
  message: DeviceMessage,
  context: { readonly version: string; readonly now: number },
): RolloutDevice {
  if (device.offeredAt === null || device.removedAt !== null) return device;
  const reporting = { ...device, lastReportedAt: context.now };
  const current = followLastGood(reporting, message, context.version);
  return message.kind === 'event'
    ? handleEvent(current, message, context)
    : handleReport(current, message, context);
}

/** Until the version is reverted, the device's reports determine its rollback target. */
function followLastGood(device: RolloutDevice, message: DeviceMessage, version: string): RolloutDevice {
  if (!device.assigned || message.kind !== 'report') return device;
  const { lastGood } = message;
  if (lastGood === undefined || lastGood === version || lastGood === device.previousVersion) return device;
  return { ...device, previousVersion: lastGood };
}

function handleEvent(
  device: RolloutDevice,
  message: DeviceMessage & { kind: 'event' },
  { version, now }: { version: string; now: number },
): RolloutDevice {
  if (!device.assigned) {
    // Messages may have crossed: the device had not seen that the offer was reverted. It obeys the newer statement.
    if (message.version === version) {
      if (message.state === 'committed') return unmarkReverted(device);
      return isRefusal(message.state) ? markReverted(device, 'reverted', now) : device;
    }
    if (message.version !== device.previousVersion) return device;
    return message.state === 'committed'
      ? markReverted(device, 'reverted', now)
      : applyRefusal(device, message, now);
  }
  if (message.version !== version) return device;
  return advance(device, message.state, message.fault, now);
}

function handleReport(
  device: RolloutDevice,
  message: DeviceMessage & { kind: 'report' },
  { version, now }: { version: string; now: number },
): RolloutDevice {
  // An older report precedes the statement that counts.
  if (device.sequence === null || message.sequence < device.sequence) return device;
  const runsIt = message.activeVersion === version;
  const { update } = message;
  if (!device.assigned) {
    if (!runsIt) {
      // A device that runs nothing for now has not reached its target, unless the target is nothing.
      const isSomewhere = message.activeVersion !== undefined || device.previousVersion === null;
      return isSomewhere ? markReverted(device, 'reverted', now) : device;
    }
    if (device.previousVersion === null) return markReverted(device, 'no-target', now);
    if (update?.version === device.previousVersion) return applyRefusal(unmarkReverted(device), update, now);
    return unmarkReverted(device);
  }
  if (update?.version === version && update.state !== 'idle' && update.state !== 'committed') {
    return advance(device, update.state, update.fault, now);
  }
  if (runsIt) return advance(device, 'committed', undefined, now);
  if (device.status !== 'succeeded') return device;
  const running = message.activeVersion === undefined ? 'no version' : `version ${message.activeVersion}`;
  return advance(
    device,
    'rolled-back',
    { code: 'version_left', message: `The device reports that it now runs ${running}.`, retry: 'never' },
    now,
  );
}

function advance(
  device: RolloutDevice,
  state: UpdateState,
  fault: UpdateFault | undefined,
  now: number,
): RolloutDevice {
  let status = statusOfState[state];
  if (status === undefined) return device;
  if (fault !== undefined && (status === 'rejected' || status === 'rolled-back')) {
    // Not the version's: the version stays desired, and a device that does not reach it in time is late.
    if (isEnvironmental(fault.code)) status = 'offered';
    else if (status === 'rejected' && fault.retry === 'later') status = 'failed';
  }
  // An end changes only on proof of the opposite: late messages about earlier steps do not undo it, a commit after retries does.
  const isEnd = !isInFlight(device.status);
  if (isEnd && inFlight.has(status)) return device;
  const nextFault = faultAfter(device, status, fault);
  if (status === device.status && nextFault?.code === device.fault?.code) return device;
  return {
    ...device,
    status,
    changedAt: status === device.status ? device.changedAt : now,
    fault: nextFault,
  };
}

/** In flight a device has the fault it waits for now, if any; at an end the one that led there stays. */
function faultAfter(
  device: RolloutDevice,
  status: StoredStatus,
  fault: UpdateFault | undefined,
): UpdateFault | null {
  // The hub could not revert the version: progress of the device with it does not resolve that.
  if (device.triedAt !== null) return device.fault;
  if (status === 'offered' || status === 'succeeded') return null;
  return fault ?? (isInFlight(status) ? null : device.fault);
}

/** The device refuses its rollback target, with a reason. */
function applyRefusal(
  device: RolloutDevice,
  { state, fault }: { readonly state: UpdateState; readonly fault?: UpdateFault },
  now: number,
): RolloutDevice {
  if (!isRefusal(state) || fault === undefined || isEnvironmental(fault.code)) return device;
  return { ...markReverted(device, 'refused', now), fault };
}

function isRefusal(state: UpdateState): boolean {
  return state === 'rolled-back' || state === 'rejected';
}

/** Messages of the device change no outcome that another rollout, or the version before, has decided. */
function markReverted(device: RolloutDevice, as: RevertOutcome, now: number): RolloutDevice {
  if (
    device.revertOutcome === as ||
    device.revertOutcome === 'superseded' ||
    device.revertOutcome === 'unchanged'
  )
    return device;
  return { ...device, revertedAt: now, revertOutcome: as };
}

/** It reports that it runs the version: a `reverted` that was assumed does not hold. */
function unmarkReverted(device: RolloutDevice): RolloutDevice {
  return device.revertOutcome === 'reverted' ? { ...device, revertedAt: null, revertOutcome: null } : device;
}

export interface RolloutTimeouts {
  readonly silenceMs: number;
  readonly deviceTimeoutMs: number;
  readonly trial: TrialPlan;
}

/** What the hub knows of a device's download. */
export interface DownloadObservation {
  /** Until when the device last had to wait in the download queue, milliseconds since the epoch; undefined when it had not. */
  readonly waitedUntil: number | undefined;
  /** Whether chunks were sent to it in the last minutes. */
  readonly isMoving: boolean;
}

/** What the hub knows of its devices just now. */
export interface FleetObservation {
  readonly now: number;
  readonly connected: ReadonlySet<string>;
  /** Since when the hub has been watching without a gap (watch-span.ts). */
  readonly watchingSince: number;
  /** Of devices that have requested something. */
  readonly downloads: ReadonlyMap<string, DownloadObservation>;
}

/**
 * When a device that was sent a statement at `sentAt` counts as silent (unless it is connected), and as too late. Time in
 * which the hub did not watch is not the device's, and neither is the time before the hub served it.
 */
export function deadlinesOf(
  device: RolloutDevice,
  sentAt: number,
  timeouts: Pick<RolloutTimeouts, 'silenceMs' | 'deviceTimeoutMs'>,
  { watchingSince, downloads }: Pick<FleetObservation, 'watchingSince' | 'downloads'>,
): { readonly silentAt: number; readonly timedOutAt: number } {
  const from = Math.max(sentAt, watchingSince);
  return {
    silentAt: Math.max(from, device.lastReportedAt ?? 0) + timeouts.silenceMs,
    timedOutAt: Math.max(from, downloads.get(device.deviceId)?.waitedUntil ?? 0) + timeouts.deviceTimeoutMs,
  };
}

/** The status of a device that has not come to an end in its time. */
function overdue(
  { deviceId, status, fault }: RolloutDevice,
  { trial }: RolloutTimeouts,
  { downloads }: Pick<FleetObservation, 'downloads'>,
): DeviceStatus {
  // It waits for space, a chunk or the like: no evidence about the version.
  if (fault !== null && isEnvironmental(fault.code)) return 'blocked';
  // Neither is a link so slow that the chunks are still arriving.
  if (status === 'downloading' && downloads.get(deviceId)?.isMoving) return 'blocked';
  return status === 'trial' && asksForRequests(trial) ? 'unproven' : 'timed-out';
}

/**
 * Status as of `now`, and since when it is an end (null while the device is in flight or waits). A device that is
 * connected is not silent; it can still time out. One that is on trial by then has had too few requests to judge the
 * version: it is unproven, which is no failure and no success.
 */
export function statusAt(
  device: RolloutDevice,
  timeouts: RolloutTimeouts,
  observation: FleetObservation,
): { readonly status: DeviceStatus; readonly endedAt: number | null } {
  if (device.removedAt !== null) return { status: 'removed', endedAt: device.removedAt };
  if (!isInFlight(device.status)) {
    const waits = device.status === 'pending' || device.status === 'withdrawn';
    return { status: device.status, endedAt: waits ? null : device.changedAt };
  }
  const sentAt = device.offeredAt ?? device.changedAt;
  const { silentAt, timedOutAt } = deadlinesOf(device, sentAt, timeouts, observation);
  const isConnected = observation.connected.has(device.deviceId);
  if (!isConnected && observation.now >= silentAt) return { status: 'silent', endedAt: silentAt };
  if (observation.now >= timedOutAt) {
    return { status: overdue(device, timeouts, observation), endedAt: timedOutAt };
  }
  return { status: device.status, endedAt: null };
}
