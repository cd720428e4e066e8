/**
 * After a restore the hub is as it was when the backup was made, and its devices are not: they have accepted later desired
 * states and later trust metadata, and refuse whatever is not above that. This brings the hub above, and takes back what it can
 * no longer stand for: rollouts whose evidence is lost, what it believed of devices, join tokens that may have been used up since.
 * Everything may be done twice: a hub that dies in between does it again.
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
 * To be asked before anything is done by the time that it is. What a restored hub signs must be above what its devices have seen, and the time is
 * what says how high that is: one before the backup is none to go by. Throws `restored_clock_behind`; who asks for the catch-up
 * says that the clock is right.
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

/** Before anything is published. Does nothing unless the folder was restored, or somebody says that it was set back by other means. */
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
