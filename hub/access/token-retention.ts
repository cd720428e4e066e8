/** Lets API tokens leave that have ended for so long that no row of the audit log names them any more: their names are free again. */
import { formatDuration } from '../../shared/base/duration.ts';
import type { Expirable, Found, Removed } from '../retention/expirable.ts';
import type { TokenStore } from './token-store.ts';

export interface TokenRetentionProps {
  readonly store: Pick<TokenStore, 'endedBefore' | 'removeEndedBefore'>;
  /** How long rows of the audit log are kept. */
  readonly keptMs: number;
}

const TOKEN_BYTES = 300;

export class TokenRetention implements Expirable {
  readonly kind = 'api-tokens';
  readonly rule: string;
  readonly #props: TokenRetentionProps;

  constructor(props: TokenRetentionProps) {
    this.#props = props;
    this.rule = `revoked or expired more than ${formatDuration(props.keptMs)} ago (--audit-kept)`;
  }

  async find(now: number): Promise<Found> {
    const { count, oldestAt } = await this.#props.store.endedBefore(now - this.#props.keptMs);
    return { count, bytes: count * TOKEN_BYTES, oldestAt, isMore: false };
  }

  /** There are ten thousand at most. */
  async removeSome(now: number): Promise<Removed> {
    const count = await this.#props.store.removeEndedBefore(now - this.#props.keptMs);
    return { count, bytes: count * TOKEN_BYTES, isMore: false };
  }
}
