/**
 * Counters of the local API under the names Triton's users know (`nv_inference_*`), so that their dashboards work
 * here. It listens as a recorder does, beside telemetry.
 */
import { Counter, Registry } from 'prom-client';
import type { Tensor } from '../../shared/inference/tensor.ts';
import type { Recorder, ServedVersion } from '../telemetry/observation.ts';
import { batchSize } from './batching.ts';

const labelNames = ['model', 'version'] as const;

export class ServingMetrics implements Recorder {
  readonly registry = new Registry();
  readonly #success = this.#counter('nv_inference_request_success', 'Requests answered');
  readonly #inferences = this.#counter('nv_inference_count', 'Inferences done; a batch of n counts n');
  readonly #durationUs = this.#counter(
    'nv_inference_request_duration_us',
    'Time of all answered requests, queue and runner included, in microseconds',
  );
  readonly #crashes = this.#counter('modelfleet_runner_crashes', 'Runners that ended unasked');
  readonly #labels = this.#counter('modelfleet_labels', 'Labels taken for earlier answers');
  readonly #failure = new Counter({
    name: 'nv_inference_request_failure',
    help: 'Requests that failed, by reason: REJECTED (too many waited), BACKEND (the model or its runner), OTHER (tensors that do not fit the interface)',
    labelNames: [...labelNames, 'reason'],
    registers: [this.registry],
  });

  /** A version that was never asked shows as 0 rather than not at all. */
  serving(served: ServedVersion): void {
    this.#success.inc(labelsOf(served), 0);
  }

  answered(
    served: ServedVersion,
    inputs: readonly Tensor[],
    _outputs: readonly Tensor[],
    latencyMs: number,
  ): void {
    const labels = labelsOf(served);
    this.#success.inc(labels);
    this.#inferences.inc(labels, batchSize(inputs));
    this.#durationUs.inc(labels, Math.round(latencyMs * 1_000));
  }

  failed(served: ServedVersion, code: string): void {
    this.#failure.inc({ ...labelsOf(served), reason: code === 'overloaded' ? 'REJECTED' : 'BACKEND' });
  }

  refused(served: ServedVersion): void {
    this.#failure.inc({ ...labelsOf(served), reason: 'OTHER' });
  }

  crashed(served: ServedVersion): void {
    this.#crashes.inc(labelsOf(served));
  }

  labelled(served: ServedVersion): void {
    this.#labels.inc(labelsOf(served));
  }

  #counter(name: string, help: string) {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }
}

function labelsOf({ model, version }: ServedVersion) {
  return { model, version };
}
