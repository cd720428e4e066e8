/** Lets requests with an idempotency key leave after a day: a repetition after that is a new request. */
import { formatDuration } from '../../shared/base/duration.ts';
import { limits } from '../../shared/base/limits.ts';
import type { Expirable, Found, Removed } from '../retention/expirable.ts';
import type { IdempotentRequestStore } from './idempotent-request-store.ts';

const ROW_BYTES = 300;

export class IdempotentRetention implements Expirable {
  readonly kind = 'idempotent-requests';
  readonly rule = `made more than ${formatDuration(limits.idempotentRequestKeptMs)} ago`;
  readonly #store: Pick<IdempotentRequestStore, 'madeBefore' | 'removeMadeBefore'>;

  constructor(store: Pick<IdempotentRequestStore, 'madeBefore' | 'removeMadeBefore'>) {
    this.#store = store;
  }

  /** There are `limits.idempotentRequestsMax` at most. */
  async find(now: number): Promise<Found> {
    const { count, bytes, ...rest } = await this.#store.madeBefore(now - limits.idempotentRequestKeptMs);
    return { count, bytes: bytes + count * ROW_BYTES, ...rest, isMore: false };
  }

  async removeSome(now: number): Promise<Removed> {
    const max = limits.idempotentRequestsRemovedPerPassMax;
    const { count, bytes } = await this.#store.removeMadeBefore(now - limits.idempotentRequestKeptMs, max);
    return { count, bytes: bytes + count * ROW_BYTES, isMore: count === max };
  }
}
