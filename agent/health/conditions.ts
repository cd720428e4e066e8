/**
 * Lasting conditions an operator should know, as values: a code, a severity, a text. They are set and cleared where they are
 * seen, reported with the device's state and shown by `status` and `doctor`.
 */
import type { Condition } from '../../shared/protocol/reported-state.ts';

export const conditionCatalogue = {
  /** The clock disagrees with what certificates or signed metadata prove. */
  clock_suspect: 'error',
  /** The disk has less room than the margin that installs keep free. */
  low_disk: 'warning',
  /** The active version was withdrawn by its publisher; it goes on until another one comes (promise P2). */
  running_withdrawn: 'warning',
  version_parked: 'warning',
  /** No installed version of a model can be served. */
  model_not_serving: 'error',
  /** The index of slots was unreadable and was made again from the slots. */
  slots_rebuilt: 'warning',
  /** Something in the data folder is not the agent's. */
  foreign_entries: 'warning',
  /** The outbox is full: telemetry is being given up. */
  spool_dropping: 'warning',
  desired_state_refused: 'error',
  updates_held: 'warning',
  /** The device certificate ends soon or has ended. */
  certificate_ends: 'warning',
} as const satisfies Record<string, Condition['severity']>;
export type ConditionCode = keyof typeof conditionCatalogue;

const TEXT_CHARS_MAX = 2_000;

export class Conditions {
  readonly #texts = new Map<ConditionCode, string>();
  readonly #onChange: () => void;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** The condition holds, for the reason `text`; with undefined it no longer does. */
  set(code: ConditionCode, text: string | undefined): void {
    if (this.#texts.get(code) === text) return;
    if (text === undefined) this.#texts.delete(code);
    else this.#texts.set(code, text.slice(0, TEXT_CHARS_MAX));
    this.#onChange();
  }

  list(): readonly Condition[] {
    return [...this.#texts].map(([code, text]) => ({ code, severity: conditionCatalogue[code], text }));
  }
}
