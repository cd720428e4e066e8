/**
 * A version as Triton's model configuration extension shows it: the JSON of `ModelConfig` (`model_config.proto`), with
 * the fields its clients read. Triton makes the same of an ONNX model that has no configuration of its own.
 */
import { limits } from '../../shared/base/limits.ts';
import { channelAxis } from '../../shared/inference/image-layout.ts';
import type { TensorSpec } from '../../shared/inference/tensor.ts';
import type { ModelManifest } from '../../shared/manifest/model-manifest.ts';
import { isBatched } from '../serving/batching.ts';

export function modelConfig({ model, interface: signature }: ModelManifest) {
  const batched = isBatched(signature);
  const tensor = ({ name, datatype, shape }: TensorSpec) => ({
    name,
    data_type: datatype === 'BYTES' ? 'TYPE_STRING' : `TYPE_${datatype}`,
    // With a batch size, the first axis goes without saying.
    dims: batched ? shape.slice(1) : shape,
    is_shape_tensor: false,
    is_non_linear_format_io: false,
  });
  return {
    name: model,
    platform: 'onnxruntime_onnx',
    backend: 'onnxruntime',
    runtime: '',
    version_policy: { latest: { num_versions: 1 } },
    max_batch_size: batched ? limits.rowsPerPredictionMax : 0,
    input: signature.inputs.map((spec) => ({
      ...tensor(spec),
      format: formatOf(spec, batched),
      allow_ragged_batch: false,
      optional: false,
    })),
    output: signature.outputs.map((spec) => ({ ...tensor(spec), label_filename: '' })),
    batch_input: [],
    batch_output: [],
    instance_group: [
      {
        name: model,
        kind: 'KIND_CPU',
        count: 1,
        gpus: [],
        secondary_devices: [],
        profile: [],
        passive: false,
        host_policy: '',
      },
    ],
    default_model_filename: '',
    cc_model_filenames: {},
    metric_tags: {},
    parameters: {},
    model_warmup: [],
    model_transaction_policy: { decoupled: false },
  };
}

/** Clients for images go by it. The protocol has it for three dimensions alone, the axis of samples aside. */
function formatOf({ shape }: TensorSpec, batched: boolean): string {
  const axis = shape.length === (batched ? 4 : 3) ? channelAxis(shape) : undefined;
  if (axis === undefined) return 'FORMAT_NONE';
  return axis === shape.length - 1 ? 'FORMAT_NHWC' : 'FORMAT_NCHW';
}
