import { defineErrors } from './error-entry.ts';

/** Errors of `model.yaml`, ONNX files and the samples a version is packed from. */
export const packagingErrors = defineErrors({
  model_yaml_invalid: {
    seenIn: ['command'],
    retry: 'never',
    meaning: 'model.yaml does not have the expected form.',
    fix: 'Correct the value that the message names. docs/MODEL-YAML.md describes every field.',
  },
  pack_file_missing: {
    seenIn: ['command'],
    retry: 'never',
    meaning: 'A file that model.yaml names cannot be read.',
    fix: 'Put the file at the path in the message, or correct its name in model.yaml. How to write model.yaml: docs/MODEL-YAML.md.',
  },
  model_file_invalid: {
    seenIn: ['command'],
    retry: 'never',
    meaning: 'The file is not an ONNX model, or it is truncated or damaged.',
    fix: 'Export the model again, and check that the copy is complete.',
  },
  model_unsupported: {
    seenIn: ['command'],
    retry: 'never',
    meaning: 'The ONNX model is valid, but modelfleet cannot serve its interface.',
    fix: 'Export the model with tensor inputs and outputs of a supported type and with its weights inside the file.',
  },
  interface_mismatch: {
    seenIn: ['command'],
    retry: 'never',
    meaning: 'model.yaml, the variants of a version and the sample do not agree on names, types or shapes.',
    fix: 'Use the names and shapes of the model, which the message lists.',
  },
  sample_invalid: {
    seenIn: ['command'],
    retry: 'never',
    meaning:
      'A sample file lacks columns or rows, or contains a value that its input cannot represent exactly, or a label that is not one of the classes.',
    fix: 'Correct the value at the row and column that the message names, or the column names or the missing marker in model.yaml.',
  },
  golden_mismatch: {
    seenIn: ['command'],
    retry: 'never',
    meaning: 'The model does not give the expected outputs for its golden samples.',
    fix: 'Pack the model that gave those outputs, or correct the expected outputs or their tolerance.',
  },
  golden_unstable: {
    seenIn: ['command'],
    retry: 'never',
    meaning:
      'Two runs of the model on the same inputs differ by more than the tolerance. The model draws random numbers, or was exported in training mode.',
    fix: 'Export the model for inference (without Dropout in training mode) and with any noise as an input, or widen the tolerance of the output.',
  },
  pack_outdated: {
    seenIn: ['command'],
    retry: 'never',
    meaning:
      'A source file changed after the version was packed, or while it was being packed, so the packed version does not match its sources.',
    fix: 'Pack again with "modelfleet models pack", check its output, and publish. To publish the packed version as it is, name the packed folder.',
  },
  pack_invalid: {
    seenIn: ['command'],
    retry: 'never',
    meaning: 'A packed folder is incomplete, or its files do not match its manifest.',
    fix: 'Pack the version again with "modelfleet models pack".',
  },
});
