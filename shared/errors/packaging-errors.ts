import { defineErrors } from './error-entry.ts';

/** Errors of `model.yaml`, ONNX files and the samples a version is packed from. */
export const packagingErrors = defineErrors({});
