/** `--watch`: shows a rollout with every change until it has ended or waits for a person, and says with the exit code which. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Rollout } from '../../shared/api/rollouts.ts';
import { ownValue } from '../../shared/base/own-value.ts';
import { exitCodes } from '../../shared/errors/failure.ts';
import type { Printer } from '../context.ts';
import { HubRetry } from '../hub-retry.ts';

const POLL_MS = 1_000;

/** Exit code by the status in which a watch ends. */
const endings: Readonly<Record<string, number>> = {
  completed: exitCodes.ok,
  aborted: exitCodes.aborted,
  'rolled-back': exitCodes.rolledBack,
  paused: exitCodes.paused,
};

export const watchCodesText = `
--watch exits with ${Object.entries(endings)
  .map(([status, code]) => `${code} (${status})`)
  .join(', ')},
and with ${exitCodes.unreachable} when the hub stayed away.`;

export interface Watch {
  readonly fetchStatus: () => Promise<Rollout>;
  readonly show: (status: Rollout) => void;
  readonly printer: Printer;
  /** How long the hub may not answer. */
  readonly giveUpMs: number;
  /** Between two requests; a test asks more often. */
  readonly pollMs?: number;
}

/** The exit code. Throws what a repetition cannot mend, and the last failure when the hub does not answer for too long. */
export async function watchRollout({
  fetchStatus,
  show,
  printer,
  giveUpMs,
  pollMs = POLL_MS,
}: Watch): Promise<number> {
  const retry = new HubRetry({ printer, giveUpMs });
  let shown = '';
  for (;;) {
    const { value: status, retryMs } = await retry.attempt(fetchStatus);
    if (status) {
      const changes = changesOf(status);
      if (changes !== shown) {
        if (shown !== '' && !printer.isData) printer.note('');
        show(status);
      }
      shown = changes;
      const ending = ownValue(endings, status.status);
      if (ending !== undefined) return ending;
    }
    await wait(Math.max(pollMs, retryMs));
  }
}

function changesOf({ status, phase, counts, trouble, revert, devices, verdicts }: Rollout): string {
  return JSON.stringify({ status, phase, counts, trouble, revert, devices, last: verdicts[0] });
}
