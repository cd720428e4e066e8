/**
 * Whose turn it is at the one connection: first come, first served, each woken alone. SQLite answers at once, so that users
 * who follow each other would never let the event loop go on: after a few milliseconds the next one waits for its turn.
 */
const RUN_MS = 10;

export class ConnectionQueue {
  readonly #waiting: (() => void)[] = [];
  #isTaken = false;
  /** When the first one of this turn of the event loop took the connection. */
  #runningSince: number | undefined;

  /** Resolves when the connection is the caller's, who must give it back. */
  async take(): Promise<void> {
    if (!this.#isTaken && !this.#hasRunLong()) {
      this.#isTaken = true;
      return;
    }
    const turn = new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (!this.#isTaken) {
      this.#isTaken = true;
      setImmediate(() => this.giveBack());
    }
    await turn;
  }

  giveBack(): void {
    const next = this.#waiting[0];
    if (next === undefined) {
      this.#isTaken = false;
    } else if (this.#hasRunLong()) {
      setImmediate(() => this.giveBack());
    } else {
      this.#waiting.shift();
      next();
    }
  }

  #hasRunLong(): boolean {
    const now = performance.now();
    if (this.#runningSince === undefined) {
      this.#runningSince = now;
      setImmediate(() => {
        this.#runningSince = undefined;
      });
    }
    return now - this.#runningSince > RUN_MS;
  }
}
