/**
 * What each device may send: so much at once, so much a second. Nothing is refused or lost: what is beyond is read later, and the
 * device's own line holds it meanwhile. Kept by device, so that a new connection does not begin with a full budget. Pure.
 */
import { limits } from '../../shared/base/limits.ts';

const PRUNE_FROM = 1_000;

export class MessageBudget {
  #messages: number = limits.deviceMessagesAtOnceMax;
  #bytes: number = limits.deviceBytesAtOnceMax;
  #at: number;

  /** `now`: monotonic milliseconds, here and below. */
  constructor(now: number) {
    this.#at = now;
  }

  spend(bytes: number, now: number, messages = 1): void {
    this.#refill(now);
    this.#messages -= messages;
    this.#bytes -= bytes;
  }

  /** How long until more may be read; 0 when it may be now. */
  waitMs(now: number): number {
    this.#refill(now);
    const wait = Math.max(
      (1 - this.#messages) / limits.deviceMessagesPerSecondMax,
      -this.#bytes / limits.deviceBytesPerSecondMax,
      0,
    );
    return Math.ceil(wait * 1_000);
  }

  isFull(now: number): boolean {
    this.#refill(now);
    return this.#messages === limits.deviceMessagesAtOnceMax && this.#bytes === limits.deviceBytesAtOnceMax;
  }

  #refill(now: number): void {
    const seconds = Math.max(0, now - this.#at) / 1_000;
    this.#at = now;
    const messages = this.#messages + seconds * limits.deviceMessagesPerSecondMax;
    this.#messages = Math.min(limits.deviceMessagesAtOnceMax, messages);
    this.#bytes = Math.min(
      limits.deviceBytesAtOnceMax,
      this.#bytes + seconds * limits.deviceBytesPerSecondMax,
    );
  }
}

/** The budgets of all devices; those that are full need not be remembered. */
export class MessageBudgets {
  readonly #budgets = new Map<string, MessageBudget>();
  #pruneAt = PRUNE_FROM;

  get size(): number {
    return this.#budgets.size;
  }

  of(deviceId: string, now: number): MessageBudget {
    const known = this.#budgets.get(deviceId);
    if (known) return known;
    if (this.#budgets.size >= this.#pruneAt) this.#prune(now);
    const budget = new MessageBudget(now);
    this.#budgets.set(deviceId, budget);
    return budget;
  }

  #prune(now: number): void {
    for (const [deviceId, budget] of this.#budgets) if (budget.isFull(now)) this.#budgets.delete(deviceId);
    this.#pruneAt = Math.max(PRUNE_FROM, 2 * this.#budgets.size);
  }
}
