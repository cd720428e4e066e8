/**
 * Lasting conditions an operator should know, as values: a code, a severity, a text. They are set and cleared where they are
 * seen, reported with the device's state and shown by `status` and `doctor`.
 */
import { shorten } from '../../shared/base/safe-text.ts';
import type { Condition } from '../../shared/protocol/reported-state.ts';

interface ConditionEntry {
  readonly severity: Condition['severity'];
  /** What a person does about it. */
  readonly wayOut: string;
}

const error = (wayOut: string) => ({ severity: 'error', wayOut }) as const;
const warning = (wayOut: string) => ({ severity: 'warning', wayOut }) as const;

export const conditionCatalogue = {
  /** The clock disagrees with what certificates or signed metadata prove. */
  clock_suspect: error(
    "Set the clock of this device (NTP), then start the agent again. If it is right, the hub's clock was ahead: set that one, and the next statement of the hub corrects it; at once: modelfleet-agent clock --reset.",
  ),
  /** There has been no connection to the hub for a while. */
  not_connected: warning(
    'Follow the reason it gives; what runs goes on, and the agent keeps trying by itself.',
  ),
  /** Another machine connects with the identity of this one. */
  identity_shared: error(
    'Stop the agent of the copy, delete its data folder and enrol it under an id of its own: modelfleet-agent enrol --id ID.',
  ),
  /** The disk has less free space than the margin that installs keep free. */
  low_disk: warning('Free space on the disk of the data folder, or keep fewer versions (--keep-previous).'),
  /** The active version was withdrawn by its publisher; it goes on until another one comes (promise P2). */
  running_withdrawn: warning('Roll out another version of the model.'),
  version_quarantined: warning(
    'Mend what the reason names; the version is tried again at the time given, or at once after: modelfleet-agent release.',
  ),
  /** An update waits for something of the device or the hub: free space, a chunk, fresh metadata. */
  update_waits: warning('Mend what the reason names; the update goes on by itself then.'),
  /** An update has not moved on for long. */
  update_stuck: warning('See the log of the agent; roll out another version when this one should not go on.'),
  /** No installed version of a model can be served. */
  model_not_serving: error('Roll out a version of the model; look at the disk when files were damaged.'),
  /** Files of a version that answered were damaged; an earlier one answers in its place, if one is kept. */
  version_damaged: error(
    'Look at the disk of the data folder; the version comes back by itself when the hub is reached.',
  ),
  /** The index of slots was unreadable and was made again from the slots. */
  slots_rebuilt: warning('Look at the disk: files of the data folder were damaged.'),
  /** Something in the data folder is not the agent's. */
  foreign_entries: warning('Move it elsewhere, or leave it: the agent runs all the same.'),
  /** The outbox is full: telemetry is being given up. */
  spool_dropping: warning('Bring the connection to the hub back, or enlarge the outbox (--spool-bytes-max).'),
  /** Nobody takes the agent's log lines. */
  log_lost: warning('Look at where standard error of the agent goes: a full disk, or a reader that stopped.'),
  desired_state_refused: error(
    'Check the clock of the device and of the hub; when the signature is refused, enrol the device again.',
  ),
  updates_held: warning('Remove the file when updates may switch versions again.'),
  /** The device certificate ends soon or has ended. */
  certificate_ends: warning(
    'Remove the device on the hub and enrol it again: modelfleet-agent enrol --force.',
  ),
  /** The reported state was too long for its message. */
  report_cut: warning('Look at the whole state on the device: modelfleet-agent status.'),
} as const satisfies Record<string, ConditionEntry>;
export type ConditionCode = keyof typeof conditionCatalogue;

/** What to do about a condition, of this agent or one of another release; undefined when it is not known here. */
export function wayOutOf(code: string): string | undefined {
  return Object.hasOwn(conditionCatalogue, code)
    ? conditionCatalogue[code as ConditionCode].wayOut
    : undefined;
}

const TEXT_CHARS_MAX = 2_000;

export class Conditions {
  readonly #texts = new Map<ConditionCode, string>();
  readonly #onChange: () => void;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** The condition holds, for this `reason`; with undefined it no longer does. */
  set(code: ConditionCode, reason: string | undefined): void {
    const text = reason === undefined ? undefined : shorten(reason, TEXT_CHARS_MAX);
    if (this.#texts.get(code) === text) return;
    if (text === undefined) this.#texts.delete(code);
    else this.#texts.set(code, text);
    this.#onChange();
  }

  list(): readonly Condition[] {
    return [...this.#texts].map(([code, text]) => ({
      code,
      severity: conditionCatalogue[code].severity,
      text,
    }));
  }
}
