/**
 * The version a device goes back to when one is reverted: the one it reported to have run before, else the newest that it
 * keeps. Pure. What the hub once assigned is no evidence: a device may have refused it, or rolled back by itself.
 */
import type { RevertOutcome } from '../../shared/api/rollouts.ts';
import type { ReportedModel } from '../../shared/protocol/reported-state.ts';
import type { UpdateState } from '../../shared/protocol/update-event.ts';
import type { PublishedVersion } from '../models/published-version.ts';
import { isInFlight, type RolloutDevice } from './device-progress.ts';

/** States in which the version of an update may answer requests without being committed. */
const uncommitted: ReadonlySet<UpdateState> = new Set(['activating', 'trial', 'rolling-back', 'rolled-back']);

/** The version a device last committed, by its own report: one that is on trial, or being left, was not proven. */
export function lastGoodVersion(entry: ReportedModel | undefined): string | undefined {
  if (entry?.active === undefined) return undefined;
  const { active, update } = entry;
  const isUncommitted = update?.version === active.version && uncommitted.has(update.state);
  if (!isUncommitted) return active.version;
  return entry.previous.find((one) => !one.left)?.version;
}

export interface RollbackEnvironment {
  /** The version that is reverted. */
  readonly version: string;
  /** The desired version of the device now. */
  readonly desiredVersion: string | undefined;
  /** The model was unassigned from the device, which has not reported yet that it deleted it. */
  readonly isUnassigned: boolean;
  /** Another rollout of the model that has not ended steers the device. */
  readonly isHeldByOther: boolean;
  /** What the device last reported of the model. */
  readonly entry: ReportedModel | undefined;
  /** Published versions that are not withdrawn. */
  readonly known: ReadonlyMap<string, PublishedVersion>;
  readonly now: number;
}

export interface RollbackTarget<D> {
  readonly device: D;
  /** Whether this rollout determines what the device is to run. */
  readonly isSteered: boolean;
  /** The version it goes to; undefined: the statement does not name the model, and the device keeps what it has. */
  readonly target?: PublishedVersion;
  /** The outcome, when it is known already. */
  readonly outcome: RevertOutcome | null;
}

/** Plans the version that a device goes back to. */
export function planRollbackTarget<D extends Pick<RolloutDevice, 'status' | 'previousVersion'>>(
  device: D,
  environment: RollbackEnvironment,
): RollbackTarget<D> {
  const { version, desiredVersion, entry, known, now } = environment;
  const running = entry?.active?.version;
  const hasNothing = running === undefined && desiredVersion === undefined && device.previousVersion !== null;
  if (environment.isUnassigned || hasNothing) return { device, isSteered: false, outcome: 'unassigned' };
  if (environment.isHeldByOther) return { device, isSteered: false, outcome: 'superseded' };
  if (running !== version && desiredVersion !== version) {
    const isRolledBack = running !== undefined && running === device.previousVersion;
    return { device, isSteered: false, outcome: isRolledBack ? 'reverted' : 'superseded' };
  }
  if (device.previousVersion === version) return { device, isSteered: false, outcome: 'unchanged' };
  const target = rollbackCandidates(device, environment)
    .map((name) => known.get(name))
    .find((one) => one !== undefined && accepts(entry, one, now));
  // It reported an end without the version: it is at its target already.
  const isAtTarget = running !== version && !isInFlight(device.status) && device.status !== 'succeeded';
  const outcome = isAtTarget ? 'reverted' : target === undefined && running === version ? 'no-target' : null;
  return { device, isSteered: true, ...(target ? { target } : {}), outcome };
}

/** Versions the device may go back to, the best first. */
function rollbackCandidates(
  { previousVersion }: Pick<RolloutDevice, 'previousVersion'>,
  { version, entry }: RollbackEnvironment,
): readonly string[] {
  const lastGood = lastGoodVersion(entry);
  // It never switched, or has rolled back already: it stays with what it runs.
  if (lastGood !== undefined && lastGood !== version) return [lastGood];
  // A version that was reverted on the device before is no rollback target.
  const kept = (entry?.previous ?? []).filter((one) => !one.left).map((one) => one.version);
  const candidates = [...(previousVersion === null ? [] : [previousVersion]), ...kept];
  return [...new Set(candidates)].filter((one) => one !== version);
}

/** Whether the device will accept a rollback target: it keeps it, or it is not below its floor; and it is not quarantined. */
function accepts(entry: ReportedModel | undefined, target: PublishedVersion, now: number): boolean {
  if (entry === undefined) return true;
  const isKept = [entry.active, ...entry.previous].some((one) => one?.manifest === target.manifestSha256);
  const isQuarantined = entry.quarantined.some(
    (one) => one.version === target.version && Date.parse(one.until) > now,
  );
  return !isQuarantined && (isKept || target.release >= (entry.floor ?? 0));
}
