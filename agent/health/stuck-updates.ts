/** Finds updates that have not moved on for longer than their state explains. Remembers only when each last moved. */
import { formatDuration } from '../../shared/base/duration.ts';
import type { ReportedModel } from '../../shared/protocol/reported-state.ts';
import type { UpdateState } from '../../shared/protocol/update-event.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** How long a state may last without a sign of life. A trial is at most seven days long; states not named rest. */
const timeouts: Partial<Record<UpdateState, number>> = {
  checking: HOUR_MS,
  downloading: 15 * MINUTE_MS,
  verifying: HOUR_MS,
  staged: HOUR_MS,
  qualifying: HOUR_MS,
  activating: HOUR_MS,
  trial: 8 * 24 * HOUR_MS,
  'rolling-back': HOUR_MS,
};

interface Moved {
  /** Changes whenever the update moves on. */
  readonly mark: string;
  /** Monotonic milliseconds. */
  readonly at: number;
}

export class StuckUpdates {
  #moved = new Map<string, Moved>();

  /** A sentence on the updates that stand still; undefined when none does. `monotonicMs`: the time now. */
  describe(models: readonly ReportedModel[], monotonicMs: number): string | undefined {
    const before = this.#moved;
    this.#moved = new Map();
    const stuck = models.flatMap(({ model, update }) => {
      const longest = update && timeouts[update.state];
      if (!update || longest === undefined) return [];
      const mark = JSON.stringify([update.version, update.state, update.since, update.bytesHave]);
      const known = before.get(model);
      // Who waits for others is not stuck, and has its whole time when the wait is over.
      const moved = known?.mark === mark && !update.waiting ? known : { mark, at: monotonicMs };
      this.#moved.set(model, moved);
      const standsMs = monotonicMs - moved.at;
      if (standsMs < longest) return [];
      return [
        `${model} ${update.version} is ${update.state} and has made no progress for ${formatDuration(standsMs)}`,
      ];
    });
    return stuck.length > 0 ? `${stuck.join('; ')}.` : undefined;
  }
}
