import { defineErrors } from './error-entry.ts';

/** Errors of `model.yaml`, ONNX files and the samples a version is packed from. */
export const packagingErrors = defineErrors({
  model_yaml_invalid: {
    status: 400,
    retry: 'never',
    meaning: 'model.yaml does not have the form that is wanted.',
    fix: 'Correct the value that the message names; docs/MODEL-YAML.md describes every field.',
  },
  pack_file_missing: {
    status: 400,
    retry: 'never',
    meaning: 'A file that model.yaml names cannot be read.',
    fix: 'Put the file where the message says, or correct its name in model.yaml.',
  },
  model_file_invalid: {
    status: 400,
    retry: 'never',
    meaning: 'The bytes are no ONNX model, or are cut short or damaged.',
    fix: 'Export the model again and check that the copy is complete.',
  },
  model_unsupported: {
    status: 400,
    retry: 'never',
    meaning: 'The ONNX model is valid but has an interface that modelfleet cannot serve.',
    fix: 'Export the model with tensor inputs and outputs of a supported type, weights inside the file.',
  },
  interface_mismatch: {
    status: 400,
    retry: 'never',
    meaning: 'model.yaml, the variants of a version and the sample do not agree on names, types or shapes.',
    fix: 'Use the names and shapes of the model; the message lists them.',
  },
  sample_invalid: {
    status: 400,
    retry: 'never',
    meaning:
      'A sample file lacks columns or rows, or holds a value that its input cannot take as it is, or a label that is no class.',
    fix: 'Correct the value at the row and column that the message names, or the column names and the missing marker in model.yaml.',
  },
  golden_mismatch: {
    status: 400,
    retry: 'never',
    meaning: 'The model does not give the expected outputs of its golden samples.',
    fix: 'Pack the model that gave those outputs, or correct the expected outputs or their tolerance.',
  },
  golden_unstable: {
    status: 400,
    retry: 'never',
    meaning:
      'Two runs of the model over the same inputs differ by more than its tolerance: it samples, or keeps noise of its training.',
    fix: 'Export the model for inference (no Dropout in training mode), with noise as an input; or widen the tolerance of the output.',
  },
  pack_outdated: {
    status: 400,
    retry: 'never',
    meaning:
      'A source has changed since the version was packed, so what would be published is not what lies there now; or it changed while it was packed, so what was measured is not what would be packed.',
    fix: 'Pack again, look at what "modelfleet models pack" says, and publish; or name the packed folder to publish it as it is.',
  },
  pack_invalid: {
    status: 400,
    retry: 'never',
    meaning: 'A packed folder is incomplete, or its files are not those its manifest names.',
    fix: 'Pack the version again with "modelfleet models pack".',
  },
});
