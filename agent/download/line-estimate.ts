/**
 * What the chunks that came say about the line: how long it may be silent before a chunk counts as lost, and how many
 * chunks may be under way. The smoothed mean and deviation are those TCP keeps of its round trips (RFC 6298, section 2), here of
 * the time a chunk takes on the line. Pure.
 */
import { limits } from '../../shared/base/limits.ts';

/** Weights of RFC 6298: a new time counts an eighth in the mean, a quarter in the deviation. */
const MEAN_GAIN = 1 / 8;
const DEVIATION_GAIN = 1 / 4;
const DEVIATIONS = 4;
/** A smaller chunk says more of the way there and back than of the line: it counts as if it had been this large. */
const BYTES_MIN = 32 * 1024;

export interface LineEstimateOptions {
  /** Silence allowed before anything is known, and the least allowed ever; milliseconds. */
  readonly silenceMsMin: number;
}

export class LineEstimate {
  readonly #silenceMsMin: number;
  #meanMs = Number.NaN;
  #deviationMs = 0;
  #doublings = 0;

  constructor({ silenceMsMin }: LineEstimateOptions) {
    this.#silenceMsMin = silenceMsMin;
  }

  /** A chunk of `bytes` had the line to itself for `ms` until it was there. */
  arrived(bytes: number, ms: number): void {
    const chunkMs = (Math.max(0, ms) * limits.chunkBytes) / Math.max(bytes, BYTES_MIN);
    if (Number.isNaN(this.#meanMs)) {
      this.#meanMs = chunkMs;
      this.#deviationMs = chunkMs / 2;
    } else {
      this.#deviationMs += DEVIATION_GAIN * (Math.abs(chunkMs - this.#meanMs) - this.#deviationMs);
      this.#meanMs += MEAN_GAIN * (chunkMs - this.#meanMs);
    }
    this.#doublings = 0;
  }

  /** A chunk did not come in time: the next one gets twice as long (RFC 6298, 5.5), until one comes. */
  timedOut(): void {
    this.#doublings += 1;
  }

  /** How long nothing may come before what was asked for counts as lost, milliseconds. */
  get silenceMs(): number {
    const measured = Number.isNaN(this.#meanMs) ? 0 : this.#meanMs + DEVIATIONS * this.#deviationMs;
    const ms = Math.max(this.#silenceMsMin, measured) * 2 ** Math.min(this.#doublings, 16);
    return Math.min(ms, Math.max(this.#silenceMsMin, limits.chunkSilenceMsMax));
  }

  /** Chunks that may be under way: what the line brings in `limits.chunkCreditMs`. */
  get window(): number {
    if (Number.isNaN(this.#meanMs)) return limits.chunksInFlightPerDevice;
    const fitting = Math.floor(limits.chunkCreditMs / Math.max(1, this.#meanMs));
    return Math.min(limits.chunksInFlightPerDevice, Math.max(1, fitting));
  }
}
