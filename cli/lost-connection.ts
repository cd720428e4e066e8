/**
 * Sends a request again whose connection was lost before its answer came: whoever sends it made sure that it takes effect once (an
 * idempotency key, or nothing to change). A hub that cannot be reached at all is reported at once.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { isAppError } from '../shared/base/app-error.ts';

/** Before each repetition: a hub that is started again is back within this time. */
const WAITS_MS = [200, 1_000, 3_000];
const LOST = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']);

/** What `send` answers, or the failure of the last attempt. */
export async function sendUntilAnswered<T>(send: () => Promise<T>): Promise<T> {
  let wasLost = false;
  for (const waitMs of WAITS_MS) {
    try {
      return await send();
    } catch (error) {
      const isLost = LOST.has(codeOf(error));
      wasLost ||= isLost;
      const isBusy = isAppError(error, 'idempotency_in_progress');
      // While the hub is down in between, nothing accepts the connection.
      const isDown = codeOf(error) === 'ECONNREFUSED';
      if (!(isLost || (wasLost && (isDown || isBusy)))) throw error;
    }
    await wait(waitMs);
  }
  return send();
}

function codeOf(error: unknown): string {
  return String((error as { code?: unknown } | undefined)?.code ?? '');
}
