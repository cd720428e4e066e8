/**
 * Figures of each version since the agent started, as Triton's statistics extension shows them, under the version's
 * release. `compute_*` are the stages of the runner; the rest of a request is `queue`: waiting, and the way to the runner and
 * back.
 */
import type { ComputeStages } from '../../runner/runner-protocol.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import { queueMs, type ServedVersion } from '../telemetry/observation.ts';
import type { LiveVersion } from './live-version.ts';

interface Duration {
  count: number;
  ns: number;
}

interface Compute {
  readonly input: Duration;
  readonly infer: Duration;
  readonly output: Duration;
}

interface Figures {
  lastInferenceMs: number;
  inferences: number;
  readonly success: Duration;
  readonly fail: Duration;
  readonly queue: Duration;
  readonly compute: Compute;
  readonly byBatch: Map<number, Compute>;
}

const NS_PER_MS = 1_000_000;

export class InferenceStatistics {
  readonly #clock: Clock;
  /** By manifest digest; a version that is no longer served is forgotten when others are asked for. */
  readonly #figures = new Map<string, Figures>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  answered(served: ServedVersion, samples: number, totalMs: number, stages: ComputeStages): void {
    const figures = this.#of(served);
    figures.lastInferenceMs = this.#clock.now();
    figures.inferences += samples;
    add(figures.success, totalMs);
    add(figures.queue, queueMs({ totalMs, ...stages }));
    addCompute(figures.compute, stages);
    const batch = figures.byBatch.get(samples) ?? noCompute();
    if (figures.byBatch.size < limits.statisticsBatchSizesMax) figures.byBatch.set(samples, batch);
    addCompute(batch, stages);
  }

  failed(served: ServedVersion, totalMs: number): void {
    add(this.#of(served).fail, totalMs);
  }

  /** The answer of `GET …/stats`. */
  of(versions: readonly LiveVersion[]) {
    return { model_stats: versions.map(({ served }) => this.#show(served)) };
  }

  #show(served: ServedVersion) {
    const { lastInferenceMs, inferences, success, fail, queue, compute, byBatch } = this.#of(served);
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
        queue,
        ...shown(compute),
        cache_hit: none(),
        cache_miss: none(),
      },
      response_stats: {},
      batch_stats: [...byBatch].map(([size, compute]) => ({
        batch_size: size,
        ...shown(compute),
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
        success: none(),
        fail: none(),
        queue: none(),
        compute: noCompute(),
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

function none(): Duration {
  return { count: 0, ns: 0 };
}

function noCompute(): Compute {
  return { input: none(), infer: none(), output: none() };
}

function shown({ input, infer, output }: Compute) {
  return { compute_input: input, compute_infer: infer, compute_output: output };
}

function addCompute({ input, infer, output }: Compute, stages: ComputeStages): void {
  add(input, stages.inputMs);
  add(infer, stages.inferMs);
  add(output, stages.outputMs);
}

function add(duration: Duration, ms: number): void {
  duration.count += 1;
  duration.ns += Math.round(ms * NS_PER_MS);
}
