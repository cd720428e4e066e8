/**
 * After a restore the hub is as it was when the backup was made, and its devices are not: they have accepted later desired
 * states and later trust metadata, and refuse whatever is not above that. This raises the hub's numbers above theirs, and
 * invalidates what it can no longer vouch for: rollouts whose evidence is lost, the reported state of devices, join tokens that may
 * have been used up since. Every step is idempotent: a hub that dies in between repeats it.
 */
import { AppError } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import type { DeviceService } from '../devices/device-service.ts';
import type { JoinTokenService } from '../pki/join-token-service.ts';
import type { Director } from '../rollout/director.ts';
import type { RolloutRunner } from '../rollout/rollout-runner.ts';
import type { TufRepository } from '../signing/tuf-repository.ts';
import { readRestoreRecord, removeRestoreRecord } from './restore-record.ts';

export interface CatchUpProps {
  readonly trust: Pick<TufRepository, 'catchUp'>;
  readonly director: Pick<Director, 'catchUp'>;
  readonly rolloutRunner: Pick<RolloutRunner, 'endAll'>;
  readonly devices: Pick<DeviceService, 'forgetReports'>;
  readonly joinTokens: Pick<JoinTokenService, 'revokeAll'>;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly clock: Pick<Clock, 'now'>;
  /** The data folder. */
  readonly data: string;
}

/**
 * To be called before anything that depends on the time. What a restored hub signs must be above what its devices have seen, and
 * that level is derived from the time: a clock from before the backup is unusable. Throws `restored_clock_behind`; an explicit
 * catch-up confirms that the clock is right.
 */
export async function requireClock(
  { clock, data }: Pick<CatchUpProps, 'clock' | 'data'>,
  asked: { readonly catchUp?: boolean },
): Promise<void> {
  const restored = await readRestoreRecord(data);
  const now = clock.now();
  if (!restored || asked.catchUp || now >= Date.parse(restored.backupAt)) return;
  throw new AppError(
    'restored_clock_behind',
    `Cannot start from the backup of ${restored.backupAt}: the clock of this machine shows ${new Date(now).toISOString()}.`,
  );
}

/** Before anything is published. Does nothing unless the folder was restored, or the operator declares that it was set back by other means. */
export async function catchUp(props: CatchUpProps, asked: { readonly catchUp?: boolean }): Promise<void> {
  const restored = await readRestoreRecord(props.data);
  if (!restored && !asked.catchUp) return;
  const { trust, director, rolloutRunner, devices, joinTokens, audit, clock } = props;
  const now = clock.now();
  const what = restored ? `restored from the backup of ${restored.backupAt}` : 'set back';
  // The time, because nothing else is sure to be above all that was signed since the backup, however often one is restored:
  // in milliseconds for files, of which the hub signs fewer; in seconds for the statements of one device, whose steps are bounded.
  await trust.catchUp(Math.floor(now));
  await director.catchUp(Math.floor(now / 1_000));
  await devices.forgetReports();
  const ended = await rolloutRunner.endAll(`the hub was ${what}`);
  const revoked = await joinTokens.revokeAll();
  await audit.append({
    actor: 'hub',
    action: 'hub.caught_up',
    target: 'hub',
    details: {
      ...(restored ? { backupAt: restored.backupAt, listing: restored.listing } : {}),
      rolloutsEnded: ended,
      joinTokensRevoked: revoked,
    },
  });
  if (restored) await removeRestoreRecord(props.data);
}
