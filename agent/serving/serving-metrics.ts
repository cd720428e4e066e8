/** Requests of each version that this device serves, for `/metrics`. It is a recorder, beside that of telemetry. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Tensor } from '../../shared/inference/tensor.ts';
import type { LabelledRow } from '../../shared/telemetry/label-figures.ts';
import {
  type CountedVersion,
  queueMs,
  type Recorder,
  type RequestTime,
  type ServedVersion,
} from '../telemetry/observation.ts';
import { batchSize } from './batching.ts';

const labelNames = ['model', 'version'] as const;
const outcomes = ['answered', 'overloaded', 'failed', 'invalid'] as const;
type Outcome = (typeof outcomes)[number];
/** From a small model on a fast machine to the default deadline. */
const bucketsSeconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export class ServingMetrics implements Recorder {
  readonly #requests: Counter<'model' | 'version' | 'outcome'>;
  readonly #seconds: Histogram<'model' | 'version'>;
  readonly #stages: Counter<'model' | 'version' | 'stage'>;
  readonly #inferences: Counter<'model' | 'version'>;
  readonly #crashes: Counter<'model' | 'version'>;
  readonly #labels: Counter<'model' | 'version'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#requests = new Counter({
      name: 'modelfleet_inference_requests_total',
      help: 'Inference requests by outcome: answered, overloaded (the queue was full or too slow), failed (the model or its runner), invalid (tensors that do not fit the interface)',
      labelNames: [...labelNames, 'outcome'],
      registers,
    });
    this.#seconds = new Histogram({
      name: 'modelfleet_inference_request_seconds',
      help: 'Time to answer an inference request, queue and runner included',
      labelNames,
      buckets: bucketsSeconds,
      registers,
    });
    this.#stages = new Counter({
      name: 'modelfleet_inference_stage_seconds_total',
      help: 'Time of answered requests by stage: queue (with the way to the runner and back), input and output (copying tensors), infer (ONNX Runtime)',
      labelNames: [...labelNames, 'stage'],
      registers,
    });
    const counter = (name: string, help: string) => new Counter({ name, help, labelNames, registers });
    this.#inferences = counter('modelfleet_inferences_total', 'Samples inferred; a batch of n counts n');
    this.#crashes = counter('modelfleet_runner_crashes_total', 'Runners that ended unexpectedly');
    this.#labels = counter('modelfleet_labels_total', 'Labels received for earlier answers');
  }

  /** A version that nobody asked yet shows as 0 rather than not at all. */
  serving(served: ServedVersion): void {
    for (const outcome of outcomes) this.#count(served, outcome, 0);
    for (const counter of [this.#inferences, this.#crashes]) counter.inc(labelsOf(served), 0);
  }

  answered(
    served: ServedVersion,
    inputs: readonly Tensor[],
    _outputs: readonly Tensor[],
    took: RequestTime,
  ): void {
    const labels = labelsOf(served);
    this.#count(served, 'answered');
    this.#inferences.inc(labels, batchSize(inputs));
    const { totalMs, inputMs, inferMs, outputMs } = took;
    this.#seconds.observe(labels, totalMs / 1_000);
    const stages = { queue: queueMs(took), input: inputMs, infer: inferMs, output: outputMs };
    for (const [stage, ms] of Object.entries(stages)) this.#stages.inc({ ...labels, stage }, ms / 1_000);
  }

  failed(served: ServedVersion, code: string): void {
    this.#count(served, code === 'overloaded' ? 'overloaded' : 'failed');
  }

  refused(served: ServedVersion): void {
    this.#count(served, 'invalid');
  }

  crashed(served: ServedVersion): void {
    this.#crashes.inc(labelsOf(served));
  }

  labelled(served: CountedVersion, rows: readonly LabelledRow[]): void {
    this.#labels.inc(labelsOf(served), rows.length);
  }

  #count(served: ServedVersion, outcome: Outcome, by = 1): void {
    this.#requests.inc({ ...labelsOf(served), outcome }, by);
  }
}

/** A version as `/metrics` shows it while it is served. */
interface ServedNow {
  readonly served: ServedVersion;
  readonly provider: string;
  readonly supervisor: { readonly ready: boolean; readonly pending: number };
}

/** What is served now, and how many requests wait. */
export function addServedMetrics(
  registry: Registry,
  models: { list(): readonly { readonly versions: readonly ServedNow[] }[] },
): void {
  const live = () => models.list().flatMap(({ versions }) => versions);
  new Gauge({
    name: 'modelfleet_model_ready',
    help: '1 when the version can answer; 0 while its runner is started again',
    labelNames: [...labelNames, 'provider'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { served, provider, supervisor } of live()) {
        this.set({ ...labelsOf(served), provider }, supervisor.ready ? 1 : 0);
      }
    },
  });
  new Gauge({
    name: 'modelfleet_inference_pending_requests',
    help: 'Inference requests that run or wait for their runner',
    labelNames,
    registers: [registry],
    collect() {
      this.reset();
      for (const { served, supervisor } of live()) this.set(labelsOf(served), supervisor.pending);
    },
  });
}

export function labelsOf({ model, version }: CountedVersion) {
  return { model, version };
}
