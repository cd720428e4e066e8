/** Deletes the evidence of rollouts that have ended. That of one under way stays, however long its devices are silent. */
import { formatDuration } from '../../shared/base/duration.ts';
import { limits } from '../../shared/base/limits.ts';
import type { Expirable, Found, Removed } from '../retention/expirable.ts';
import type { EvidenceStore } from './evidence-store.ts';

export interface EvidenceRetentionProps {
  readonly store: EvidenceStore;
  /** How long it is kept after the device's last window. */
  readonly keptMs: number;
}

export class EvidenceRetention implements Expirable {
  readonly kind = 'rollout-evidence';
  readonly rule: string;
  readonly #props: EvidenceRetentionProps;

  constructor(props: EvidenceRetentionProps) {
    this.#props = props;
    this.rule = `of rollouts that have ended, not added to for ${formatDuration(props.keptMs)} (--telemetry-kept)`;
  }

  find(now: number, limit: number): Promise<Found> {
    return this.#props.store.findBefore(now - this.#props.keptMs, limit);
  }

  async removeSome(now: number): Promise<Removed> {
    const max = limits.telemetryRowsRemovedPerPassMax;
    const { count, bytes } = await this.#props.store.removeBefore(now - this.#props.keptMs, max);
    return { count, bytes, isMore: count === max };
  }
}
