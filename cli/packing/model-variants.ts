/** The model files of a version, read and checked against each other and against what model.yaml says of them. */

import { copyFile, readdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { readRegularFile } from '../../platform/regular-file.ts';
import { AppError, isAppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { sha256 } from '../../shared/digest/sha256.ts';
import { showShape } from '../../shared/inference/exact-values.ts';
import type { TensorSpec } from '../../shared/inference/tensor.ts';
import type { Variant } from '../../shared/manifest/model-manifest.ts';
import { type OnnxInterface, readOnnxInterface } from '../../shared/onnx/read-model.ts';
import { artifactNames } from './artifact-name.ts';
import { type ChunkIndex, indexChunks } from './chunk-index.ts';
import type { ModelYaml } from './model-yaml.ts';
import { findNamedFile, missingFile } from './named-file.ts';
import { spelledAsModel } from './tensor-names.ts';

export interface VariantFile {
  readonly variant: Variant;
  /** What model.yaml calls it; `variant.file` is what it is packed as. */
  readonly name: string;
  /** Where its bytes lie, links resolved. */
  readonly path: string;
  /** Digest of the bytes that `onnx` was read from. */
  readonly sha256: string;
  readonly onnx: OnnxInterface;
}

/** Reads every variant; the first is the reference. Throws `pack_file_missing`, `interface_mismatch`, or what reading a model throws. */
export async function loadVariants(folder: string, yaml: ModelYaml): Promise<readonly VariantFile[]> {
  const declared = yaml.variants ?? [{ file: yaml.file! }];
  const variants: VariantFile[] = [];
  const names = artifactNames(declared.map(({ file }) => file));
  for (const [i, { file, precision, providers }] of declared.entries()) {
    const path = await resolved(await findNamedFile(folder, file));
    const twin = variants.find((variant) => variant.path === path);
    if (twin) throw mismatch(`variants "${twin.name}" and "${file}" are the same file`);
    const bytes = await readModelFile(path, file);
    const onnx = readNamed(file, bytes);
    const isHalf = onnx.inputs.some((input) => input.datatype === 'FP16');
    variants.push({
      variant: {
        file: names[i]!,
        precision: precision ?? (isHalf ? 'fp16' : 'fp32'),
        providers: providers ?? ['cpu'],
      },
      name: file,
      path,
      sha256: sha256(bytes),
      onnx,
    });
  }
  const [first, ...others] = variants;
  for (const other of others) checkSame(first!, other);
  const { onnx } = first!;
  const spelled = spelledAsModel(yaml, onnx);
  checkDeclared('input', spelled.inputs ?? [], onnx.inputs);
  checkDeclared('output', spelled.outputs ?? [], onnx.outputs);
  checkFeatures(spelled, onnx.inputs);
  checkOutputNames(spelled, onnx.outputs);
  checkUnits(spelled, onnx);
  return variants;
}

/** Copies a variant into a folder under the name it is packed as. Throws `pack_outdated` when the bytes are no longer those that were read. */
export async function copyVariant(variant: VariantFile, folder: string): Promise<ChunkIndex> {
  const copy = join(folder, variant.variant.file);
  await copyFile(variant.path, copy);
  const index = await indexChunks(copy);
  if (index.sha256 === variant.sha256) return index;
  throw changedMeanwhile(variant.name);
}

/** A file that was not the same from beginning to end: what was measured is not what would be packed. */
export function changedMeanwhile(file: string, cause?: unknown): AppError {
  return new AppError(
    'pack_outdated',
    `Cannot pack "${file}": the file changed while it was being packed. Pack again when no program writes to it.`,
    { cause },
  );
}

/** One file has one place, however many names lead there; one that is not there keeps its name for the message. */
function resolved(path: string): Promise<string> {
  return realpath(path).catch(() => path);
}

async function readModelFile(path: string, file: string): Promise<Uint8Array> {
  await refuseFolder(path, file);
  try {
    return await readRegularFile(path, limits.artifactBytesMax, { links: true });
  } catch (cause) {
    if (isAppError(cause, 'too_large')) throw cause;
    throw missingFile(path, cause);
  }
}

/** A SavedModel is a folder, and people name it where the model goes. */
async function refuseFolder(path: string, file: string): Promise<void> {
  const entries = await readdir(path).catch(() => undefined);
  if (entries === undefined) return;
  const kind = entries.includes('saved_model.pb')
    ? `a TensorFlow SavedModel; convert it with tf2onnx ("--saved-model ${file}")`
    : 'a folder, not an ONNX file';
  throw new AppError('model_file_invalid', `Cannot read "${file}": it is ${kind}.`);
}

function readNamed(file: string, bytes: Uint8Array): OnnxInterface {
  try {
    return readOnnxInterface(bytes);
  } catch (cause) {
    if (!(cause instanceof AppError)) throw cause;
    throw new AppError(cause.code, cause.message.replace('the ONNX model', `"${file}"`), { cause });
  }
}

/** One interface in the manifest speaks for all variants, so they may not differ in it. */
function checkSame(first: VariantFile, other: VariantFile): void {
  for (const side of ['inputs', 'outputs'] as const) {
    const [want, found] = [showSpecs(first.onnx[side]), showSpecs(other.onnx[side])];
    if (want === found) continue;
    throw mismatch(
      `variant "${other.variant.file}" has ${side} ${found}, but "${first.variant.file}" has ${want}; all variants of a version must have the same interface`,
    );
  }
}

function checkDeclared(
  what: string,
  declared: NonNullable<ModelYaml['inputs']>,
  specs: readonly TensorSpec[],
): void {
  for (const { name, datatype, shape } of declared) {
    const spec = specs.find((candidate) => candidate.name === name);
    const wrong =
      spec === undefined ||
      (datatype !== undefined && datatype !== spec.datatype) ||
      (shape !== undefined && showShape(shape) !== showShape(spec.shape));
    if (!wrong) continue;
    throw mismatch(
      `model.yaml declares ${what} "${name}" ${datatype ?? ''} ${shape ? showShape(shape) : ''}`.trimEnd() +
        `, but the model has ${showSpecs(specs)}`,
    );
  }
}

function checkFeatures({ features = {} }: ModelYaml, inputs: readonly TensorSpec[]): void {
  for (const [name, columns] of Object.entries(features)) {
    const spec = inputs.find((input) => input.name === name);
    if (spec === undefined)
      throw mismatch(`"features" names input "${name}", but the model has ${showSpecs(inputs)}`);
    // One axis of a fixed size is one row, an open one counts rows of one column.
    const last = spec.shape.length < 2 ? Math.max(1, spec.shape[0] ?? 1) : spec.shape.at(-1)!;
    if (last !== -1 && last !== columns.length) {
      throw mismatch(
        `"features.${name}" names ${columns.length} columns, but the model's input has ${last}: ${showSpecs([spec])}`,
      );
    }
  }
}

function checkOutputNames(
  { label, tolerances = {}, golden }: ModelYaml,
  outputs: readonly TensorSpec[],
): void {
  const named: [string, string][] = [
    ...Object.keys(tolerances).map((name): [string, string] => ['tolerances', name]),
    ...Object.keys(golden.expected ?? {}).map((name): [string, string] => ['golden.expected', name]),
    ...(label ? [['label.output', label.output] as [string, string]] : []),
  ];
  for (const [field, name] of named) {
    if (outputs.some((output) => output.name === name)) continue;
    throw mismatch(`"${field}" names output "${name}", but the model has ${showSpecs(outputs)}`);
  }
}

function checkUnits({ units = {} }: ModelYaml, { inputs, outputs }: OnnxInterface): void {
  const specs = [...inputs, ...outputs];
  const unknown = Object.keys(units).find((name) => !specs.some((spec) => spec.name === name));
  if (unknown === undefined) return;
  throw mismatch(`"units" names "${unknown}", but the model has ${showSpecs(specs)}`);
}

function showSpecs(specs: readonly TensorSpec[]): string {
  return specs.map(({ name, datatype, shape }) => `"${name}" ${datatype} ${showShape(shape)}`).join(', ');
}

function mismatch(reason: string): AppError {
  return new AppError('interface_mismatch', `Cannot pack: ${reason}.`);
}
