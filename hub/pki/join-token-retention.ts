/** Lets join tokens leave that ended some time ago, with what enrolments by them were answered. */
import { formatDuration } from '../../shared/base/duration.ts';
import { limits } from '../../shared/base/limits.ts';
import type { Expirable, Found, Removed } from '../retention/expirable.ts';
import type { JoinTokenStore } from './join-token-store.ts';

const TOKEN_BYTES = 300;

export class JoinTokenRetention implements Expirable {
  readonly kind = 'join-tokens';
  readonly rule = `expired more than ${formatDuration(limits.joinTokenKeptMs)} ago`;
  readonly #store: Pick<JoinTokenStore, 'endedBefore' | 'removeEndedBefore'>;

  constructor(store: Pick<JoinTokenStore, 'endedBefore' | 'removeEndedBefore'>) {
    this.#store = store;
  }

  async find(now: number): Promise<Found> {
    const { count, oldestAt } = await this.#store.endedBefore(now - limits.joinTokenKeptMs);
    return { count, bytes: count * TOKEN_BYTES, oldestAt, isMore: false };
  }

  async removeSome(now: number): Promise<Removed> {
    const max = limits.joinTokensRemovedPerPassMax;
    const count = await this.#store.removeEndedBefore(now - limits.joinTokenKeptMs, max);
    return { count, bytes: count * TOKEN_BYTES, isMore: count === max };
  }
}
