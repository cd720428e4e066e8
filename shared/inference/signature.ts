/** Checks a request's tensors against what a model declares, so that what is wrong is named before the model runs. */
import { AppError } from '../base/app-error.ts';
import { showShape } from './exact-values.ts';
import type { Tensor, TensorSpec } from './tensor.ts';

type Described = Pick<Tensor, 'name' | 'datatype' | 'shape'>;

/** Throws `tensor_invalid`, naming the input and what is wanted of it; −1 in a declared shape takes any size. */
export function checkInputs(inputs: readonly Described[], specs: readonly TensorSpec[]): void {
  const seen = new Set<string>();
  for (const input of inputs) {
    const spec = specs.find((candidate) => candidate.name === input.name);
    if (!spec) refuse(`there is no input "${input.name}"; inputs are ${showSpecs(specs)}`);
    if (seen.has(input.name)) refuse(`input "${input.name}" is given twice`);
    seen.add(input.name);
    checkInput(input, spec);
  }
  const missing = specs.filter((spec) => !seen.has(spec.name));
  if (missing.length > 0) refuse(`missing ${showSpecs(missing)}`);
}

/** Throws `tensor_invalid` when an output is asked for that the model does not have, or twice. */
export function checkOutputNames(names: readonly string[], specs: readonly TensorSpec[]): void {
  for (const [i, name] of names.entries()) {
    if (!specs.some((spec) => spec.name === name)) {
      refuse(`there is no output "${name}"; outputs are ${showSpecs(specs)}`);
    }
    if (names.indexOf(name) !== i) refuse(`output "${name}" is requested twice`);
  }
}

function checkInput(input: Described, spec: TensorSpec): void {
  if (input.datatype !== spec.datatype) {
    refuse(`input "${input.name}" is ${input.datatype}, expected ${spec.datatype}`);
  }
  const fits =
    input.shape.length === spec.shape.length &&
    spec.shape.every((size, axis) => size === -1 || size === input.shape[axis]);
  if (!fits) {
    refuse(
      `input "${input.name}" has shape ${showShape(input.shape)}, expected ${showShape(spec.shape)} (? stands for any size)`,
    );
  }
}

function showSpecs(specs: readonly TensorSpec[]): string {
  return specs.map((spec) => `"${spec.name}" ${spec.datatype} ${showShape(spec.shape)}`).join(', ');
}

function refuse(why: string): never {
  throw new AppError('tensor_invalid', `Cannot run the model: ${why}.`);
}
