/** How long one request takes of a server that works through many: a running mean of the time between two that end. */

/** Weight of the newest; some thirty requests are remembered. */
const WEIGHT = 1 / 16;

export class ServicePace {
  #eachMs = 0;
  #sinceMs = 0;

  /** Mean time of one; 0 before any ended. */
  get eachMs(): number {
    return this.#eachMs;
  }

  /** The server takes up work after it had none. */
  begin(nowMs: number): void {
    this.#sinceMs = nowMs;
  }

  /** One ended; the server had work since the one before it did. */
  done(nowMs: number): void {
    const tookMs = nowMs - this.#sinceMs;
    this.#sinceMs = nowMs;
    this.#eachMs = this.#eachMs === 0 ? tookMs : this.#eachMs + (tookMs - this.#eachMs) * WEIGHT;
  }
}
