/**
 * The counters of inference under the names that Triton Inference Server gives them (docs: "Metrics", `nv_inference_*`), so that
 * dashboards made for it work here. Their names break the rules of Prometheus (no `_total`, microseconds), so they have a
 * page of their own, `/metrics/triton`. It is a recorder, beside that of telemetry.
 */
import { Counter, Gauge, Registry } from 'prom-client';
import type { Tensor } from '../../shared/inference/tensor.ts';
import { queueMs, type Recorder, type RequestTime, type ServedVersion } from '../telemetry/observation.ts';
import { batchSize } from './batching.ts';
import { labelsOf } from './serving-metrics.ts';

const labelNames = ['model', 'version'] as const;
/** REJECTED: the queue was full or too slow; BACKEND: the model or its runner failed; OTHER: tensors that do not fit. */
const failureReasons = ['REJECTED', 'BACKEND', 'OTHER'] as const;
type FailureReason = (typeof failureReasons)[number];

export class TritonMetrics implements Recorder {
  readonly registry = new Registry();
  readonly #success = this.#counter(
    'nv_inference_request_success',
    'Number of successful inference requests',
  );
  readonly #inferences = this.#counter('nv_inference_count', 'Number of inferences; a batch of n counts n');
  readonly #executions = this.#counter('nv_inference_exec_count', 'Number of model executions');
  readonly #requestUs = this.#duration('request', 'Cumulative inference request duration');
  readonly #queueUs = this.#duration(
    'queue',
    'Cumulative queuing duration, with the way to the runner and back',
  );
  readonly #inputUs = this.#duration('compute_input', 'Cumulative duration of copying inputs');
  readonly #inferUs = this.#duration('compute_infer', 'Cumulative duration of running the model');
  readonly #outputUs = this.#duration('compute_output', 'Cumulative duration of copying outputs');
  readonly #failure = new Counter({
    name: 'nv_inference_request_failure',
    help: 'Number of failed inference requests by reason: REJECTED, BACKEND or OTHER',
    labelNames: [...labelNames, 'reason'],
    registers: [this.registry],
  });

  /** A version that nobody asked yet shows as 0 rather than not at all. */
  serving(served: ServedVersion): void {
    const counters = [this.#success, this.#inferences, this.#executions, this.#requestUs];
    const stages = [this.#queueUs, this.#inputUs, this.#inferUs, this.#outputUs];
    for (const counter of [...counters, ...stages]) counter.inc(labelsOf(served), 0);
    for (const reason of failureReasons) this.#fail(served, reason, 0);
  }

  answered(
    served: ServedVersion,
    inputs: readonly Tensor[],
    _outputs: readonly Tensor[],
    took: RequestTime,
  ): void {
    const { totalMs, inputMs, inferMs, outputMs } = took;
    const labels = labelsOf(served);
    this.#success.inc(labels);
    this.#inferences.inc(labels, batchSize(inputs));
    this.#executions.inc(labels);
    this.#requestUs.inc(labels, wholeUs(totalMs));
    this.#queueUs.inc(labels, wholeUs(queueMs(took)));
    this.#inputUs.inc(labels, wholeUs(inputMs));
    this.#inferUs.inc(labels, wholeUs(inferMs));
    this.#outputUs.inc(labels, wholeUs(outputMs));
  }

  failed(served: ServedVersion, code: string): void {
    this.#fail(served, code === 'overloaded' ? 'REJECTED' : 'BACKEND');
  }

  refused(served: ServedVersion): void {
    this.#fail(served, 'OTHER');
  }

  crashed(): void {}

  labelled(): void {}

  /** Shows how many requests wait for each of the versions that are served. */
  addPending(models: {
    list(): readonly {
      readonly versions: readonly {
        readonly served: ServedVersion;
        readonly supervisor: { readonly pending: number };
      }[];
    }[];
  }): void {
    new Gauge({
      name: 'nv_inference_pending_request_count',
      help: 'Instantaneous number of pending requests awaiting execution, those that run included',
      labelNames,
      registers: [this.registry],
      collect() {
        this.reset();
        for (const { versions } of models.list()) {
          for (const { served, supervisor } of versions) this.set(labelsOf(served), supervisor.pending);
        }
      },
    });
  }

  #fail(served: ServedVersion, reason: FailureReason, by = 1): void {
    this.#failure.inc({ ...labelsOf(served), reason }, by);
  }

  #counter(name: string, help: string) {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  #duration(what: string, help: string) {
    return this.#counter(`nv_inference_${what}_duration_us`, `${help}, in microseconds`);
  }
}

function wholeUs(ms: number): number {
  return Math.round(ms * 1_000);
}
