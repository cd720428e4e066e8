/** Keeps snapshot and timestamp metadata from expiring while the hub runs, and says in time what only people can renew. */
import type { Logger } from '../../platform/logger.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { sleepUnlessSet } from '../../shared/base/clock-sleep.ts';
import type { TufRepository } from './tuf-repository.ts';

const CHECK_MS = 15 * 60_000;
const WARN_MS = 30 * 86_400_000;
const offlineRoles = ['root', 'targets', 'publisher'];

export interface ExpiryRefreshProps {
  readonly repository: Pick<TufRepository, 'renew' | 'status'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Runs until `signal` is aborted; a failed check is logged and tried again. */
export async function runExpiryRefresh(
  { repository, clock, logger }: ExpiryRefreshProps,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      if (await repository.renew()) logger.info('snapshot or timestamp metadata signed again');
      for (const { role, expires } of await repository.status()) {
        if (!offlineRoles.includes(role) || Date.parse(expires) - clock.now() > WARN_MS) continue;
        logger.warn({ role, expires }, 'offline trust metadata expires soon; sign it again');
      }
    } catch (error) {
      logger.error({ err: error }, 'trust metadata could not be renewed');
    }
    await sleepUnlessSet(clock, CHECK_MS, signal).catch(() => undefined);
  }
}
