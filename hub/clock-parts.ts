/** What is put right when the hub's clock was ahead. Part of the composition root (hub.ts). */
import { TokenStore } from './access/token-store.ts';
import { AlertStore } from './alerts/alert-store.ts';
import { DeliveryStore } from './alerts/delivery-store.ts';
import { ClockGuard, type ClockGuardProps } from './clock/clock-guard.ts';
import type { Foundation, HubEnvironment } from './foundation.ts';
import { IdempotentRequestStore } from './idempotency/idempotent-request-store.ts';
import { ContentStore } from './models/content-store.ts';
import { clampFutureRolloutTimes } from './rollout/future-times.ts';
import { BlobLedgerStore } from './transfer/blob-ledger-store.ts';

/** `stores`: those that other parts have already. */
export function makeClockGuard(
  { clock, logger }: Pick<HubEnvironment, 'clock' | 'logger'>,
  { database, audit }: Pick<Foundation, 'database' | 'audit'>,
  stores: ClockGuardProps['stores'],
): ClockGuard {
  return new ClockGuard({
    clock,
    audit,
    logger: logger.child({ part: 'clock' }),
    stores: [
      { clampFutureTimes: (now) => clampFutureRolloutTimes(database, now) },
      ...stores,
      new AlertStore(database),
      new DeliveryStore(database),
      new TokenStore(database),
      new IdempotentRequestStore(database),
      new BlobLedgerStore(database),
      new ContentStore(database),
    ],
  });
}
