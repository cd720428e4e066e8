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
    'Set the clock of this device (NTP), then start the agent again. If this clock is right, the clock of the hub was ahead: set that one. The next statement of the hub then corrects this device; to correct it at once, run modelfleet-agent clock --reset.',
  ),
  /** There has been no connection to the hub for a while. */
  not_connected: warning(
    'Correct the cause that the text names. Installed versions keep running, and the agent keeps trying to connect.',
  ),
  /** Another machine connects with the identity of this one. */
  identity_shared: error(
    'Stop the agent on the other machine, delete its data folder and enrol that machine with its own id: modelfleet-agent enrol --id ID.',
  ),
  /** The disk has less free space than the margin that installs keep free. */
  low_disk: warning('Free space on the disk of the data folder, or keep fewer versions (--keep-previous).'),
  /** The active version was withdrawn by its publisher; it goes on until another one comes (promise P2). */
  running_withdrawn: warning('Roll out another version of the model.'),
  version_quarantined: warning(
    'Correct the cause that the text names. The agent tries the version again at the given time; to try it at once, run modelfleet-agent release.',
  ),
  /** An update waits for something of the device or the hub: free space, a chunk, fresh metadata. */
  update_waits: warning('Correct the cause that the text names. The update then continues by itself.'),
  /** An update has not moved on for long. */
  update_stuck: warning(
    'Check the log of the agent. If this update should not continue, roll out another version.',
  ),
  /** No installed version of a model can be served. */
  model_not_serving: error('Roll out a version of the model. If files were damaged, check the disk.'),
  /** Files of a version that answered were damaged; an earlier one answers in its place, if one is kept. */
  version_damaged: error(
    'Check the disk of the data folder. The agent downloads the version again when it is connected to the hub.',
  ),
  /** The index of slots was unreadable and was made again from the slots. */
  slots_rebuilt: warning('Check the disk: files of the data folder were damaged.'),
  /** Something in the data folder is not the agent's. */
  foreign_entries: warning('Move the file elsewhere, or leave it: it does not affect the agent.'),
  /** The outbox is full: telemetry is being given up. */
  spool_dropping: warning('Restore the connection to the hub, or enlarge the outbox (--spool-bytes-max).'),
  /** Answers are in memory alone, and a later label may find none. */
  predictions_not_stored: warning(
    'Free space on the disk of the data folder, or correct the cause that the text names. The agent keeps trying.',
  ),
  /** Log lines of the agent could not be written. */
  log_lost: warning(
    'Check where the standard error of the agent goes: the disk may be full, or the process that reads it may have stopped.',
  ),
  desired_state_refused: error(
    'Check the clocks of the device and the hub. If the signature is refused, enrol the device again.',
  ),
  updates_held: warning('Remove the file to let updates switch versions again.'),
  /** The device certificate ends soon or has ended. */
  certificate_ends: warning(
    'Remove the device on the hub and enrol it again: modelfleet-agent enrol --force.',
  ),
  /** The reported state was too long for its message. */
  report_cut: warning('To see the whole state, run modelfleet-agent status on the device.'),
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
