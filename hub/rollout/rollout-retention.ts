/**
 * Deletes rollouts that ended long ago, each as a whole: with its devices, verdicts and evidence, in one transaction. A rollout whose
 * version a device still runs, or whose rollback is not finished, stays.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { formatDuration } from '../../shared/base/duration.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import type { Expirable, Found, Removed } from '../retention/expirable.ts';
import type { Leases } from './leases.ts';
import type { EndedRollout, RolloutHistoryStore } from './rollout-history-store.ts';

export interface RolloutRetentionProps {
  readonly store: RolloutHistoryStore;
  readonly audit: Pick<AuditLog, 'append'>;
  /** Those of the engine: no rollout is deleted during an action on it. */
  readonly leases: Leases;
  /** How long a rollout is kept after its end. */
  readonly keptMs: number;
}

/** Approximate number of device rows deleted in one pass. */
const ROWS_PER_PASS = 2_000;

export class RolloutRetention implements Expirable {
  readonly kind = 'rollouts';
  readonly rule: string;
  readonly #props: RolloutRetentionProps;

  constructor(props: RolloutRetentionProps) {
    this.#props = props;
    this.rule = `ended more than ${formatDuration(props.keptMs)} ago (--history-kept), and no device runs a version for it`;
  }

  async find(now: number, limit: number): Promise<Found> {
    const due = await this.#props.store.due(this.#before(now), { limit: limit + 1 });
    const shown = due.slice(0, limit);
    let bytes = 0;
    for (const { id } of shown) {
      bytes += (await this.#props.store.rowsOf(id)).bytes;
      await nextTurn();
    }
    return { count: shown.length, bytes, isMore: due.length > limit, oldestAt: due[0]?.updatedAt };
  }

  async removeSome(now: number): Promise<Removed> {
    let count = 0;
    let bytes = 0;
    for (let rows = 0; rows < ROWS_PER_PASS; ) {
      const [rollout] = await this.#props.store.due(this.#before(now), { limit: 1 });
      if (rollout === undefined) return { count, bytes, isMore: false };
      const removed = await this.#props.leases.hold(rollout.id, () => this.#remove(rollout, now));
      rows += 1 + removed.devices + removed.verdicts;
      count += removed.count;
      bytes += removed.bytes;
    }
    return { count, bytes, isMore: true };
  }

  #remove({ id }: EndedRollout, now: number) {
    const { store, audit } = this.#props;
    return store.transaction(async (tx) => {
      // A rollback of it may have begun since it was found.
      const [rollout] = await store.due(this.#before(now), { id, limit: 1 }, tx);
      if (rollout === undefined) return { count: 0, devices: 0, verdicts: 0, bytes: 0 };
      const { model, version, status, updatedAt } = rollout;
      const rows = await store.rowsOf(id, tx);
      await store.remove(id, tx);
      const details = { model, version, status, endedAt: updatedAt, devices: rows.devices };
      await audit.append({ actor: 'hub', action: 'rollout.removed', target: `rollout/${id}`, details }, tx);
      return { count: 1, ...rows };
    });
  }

  #before(now: number): number {
    return now - this.#props.keptMs;
  }
}
