/**
 * Figures of each version since the agent started, as Triton's statistics extension shows them, under the
 * version's release. What is not the runtime's
 * own time is `queue`: waiting, and the way to the runner and back.
 */
import type { Clock } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import type { ServedVersion } from '../telemetry/observation.ts';
import type { LiveVersion } from './live-version.ts';

interface Duration {
  count: number;
  ns: number;
}

interface Figures {
  lastInferenceMs: number;
  inferences: number;
  readonly success: Duration;
  readonly fail: Duration;
  readonly infer: Duration;
  readonly byBatch: Map<number, Duration>;
}

const NS_PER_MS = 1_000_000;

export class InferenceStatistics {
  readonly #clock: Clock;
  /** By manifest digest; a version that is no longer served is forgotten when others are asked for. */
  readonly #figures = new Map<string, Figures>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  answered(served: ServedVersion, samples: number, totalMs: number, inferMs: number): void {
    const figures = this.#of(served);
    figures.lastInferenceMs = this.#clock.now();
    figures.inferences += samples;
    add(figures.success, totalMs);
    add(figures.infer, inferMs);
    const batch = figures.byBatch.get(samples) ?? { count: 0, ns: 0 };
    if (figures.byBatch.size < limits.statisticsBatchSizesMax) figures.byBatch.set(samples, batch);
    add(batch, inferMs);
  }

  failed(served: ServedVersion, totalMs: number): void {
    add(this.#of(served).fail, totalMs);
  }

  /** The answer of `GET …/stats`. */
  of(versions: readonly LiveVersion[]) {
    return { model_stats: versions.map(({ served }) => this.#show(served)) };
  }

  #show(served: ServedVersion) {
    const { lastInferenceMs, inferences, success, fail, infer, byBatch } = this.#of(served);
    const none = { count: 0, ns: 0 };
    const instant = { count: success.count, ns: 0 };
    return {
      name: served.model,
      // Triton's versions are whole numbers; its performance analyser finds no figures under any other.
      version: String(served.manifest.release),
      version_name: served.version,
      last_inference: lastInferenceMs,
      inference_count: inferences,
      execution_count: success.count,
      inference_stats: {
        success,
        fail,
        queue: { count: success.count, ns: Math.max(0, success.ns - infer.ns) },
        compute_input: instant,
        compute_infer: infer,
        compute_output: instant,
        cache_hit: none,
        cache_miss: none,
      },
      response_stats: {},
      batch_stats: [...byBatch].map(([size, duration]) => ({
        batch_size: size,
        compute_input: { count: duration.count, ns: 0 },
        compute_infer: duration,
        compute_output: { count: duration.count, ns: 0 },
      })),
      memory_usage: [],
    };
  }

  #of({ manifestSha256 }: ServedVersion): Figures {
    let figures = this.#figures.get(manifestSha256);
    if (!figures) {
      figures = {
        lastInferenceMs: 0,
        inferences: 0,
        success: { count: 0, ns: 0 },
        fail: { count: 0, ns: 0 },
        infer: { count: 0, ns: 0 },
        byBatch: new Map(),
      };
      // The one seen first goes.
      if (this.#figures.size >= limits.statisticsVersionsMax) {
        this.#figures.delete(this.#figures.keys().next().value!);
      }
      this.#figures.set(manifestSha256, figures);
    }
    return figures;
  }
}

function add(duration: Duration, ms: number): void {
  duration.count += 1;
  duration.ns += Math.round(ms * NS_PER_MS);
}
