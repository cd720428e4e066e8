/** Models with state: what `state` in model.yaml says, checked against the model. */
import { AppError } from '../../shared/base/app-error.ts';
import { ownValue } from '../../shared/base/own-value.ts';
import { quoteText, showShape } from '../../shared/inference/exact-values.ts';
import type { TensorSpec } from '../../shared/inference/tensor.ts';
import type { OnnxInterface } from '../../shared/onnx/read-model.ts';
import type { ModelYaml, SampleSource } from './model-yaml.ts';
import type { CarriedState } from './row-runs.ts';

/** The `state` of model.yaml. Throws `interface_mismatch` for tensors there are not, or that do not fit each other. */
export function carriedState({ state = {} }: ModelYaml, { inputs, outputs }: OnnxInterface): CarriedState {
  const carried = new Map<string, string>();
  for (const [from, to] of Object.entries(state)) {
    const input = inputs.find((spec) => spec.name === from);
    const output = outputs.find((spec) => spec.name === to);
    if (input === undefined)
      throw mismatch(`names input ${quoteText(from)}, but the model has ${listed(inputs)}`);
    if (output === undefined)
      throw mismatch(`names output ${quoteText(to)}, but the model has ${listed(outputs)}`);
    if (!fits(output, input)) {
      throw mismatch(
        `feeds output ${listed([output])} into input ${listed([input])}, which has another type or shape`,
      );
    }
    carried.set(from, to);
  }
  return carried;
}

/** A source of rows with a first state for each that is carried: its own, else the sample's, else zeros. */
export function withFirstState(
  source: SampleSource,
  {
    yaml,
    inputs,
    state,
  }: { readonly yaml: ModelYaml; readonly inputs: readonly TensorSpec[]; readonly state: CarriedState },
): SampleSource {
  const firsts = inputs
    .filter(({ name }) => state.has(name) && !isGiven(source, name))
    .map(({ name, shape }): [string, Fill] => [
      name,
      ownValue(yaml.sample?.fill, name) ?? { value: 0, shape: shape.map((size) => (size === -1 ? 1 : size)) },
    ]);
  return firsts.length === 0
    ? source
    : { ...source, fill: { ...source.fill, ...Object.fromEntries(firsts) } };
}

type Fill = NonNullable<SampleSource['fill']>[string];

function isGiven({ columns, arrays, fill }: SampleSource, name: string): boolean {
  return [columns, arrays, fill].some((given) => given !== undefined && Object.hasOwn(given, name));
}

function fits(output: TensorSpec, input: TensorSpec): boolean {
  if (output.datatype !== input.datatype) return false;
  // An output may leave its rank open; the run tells then.
  if (output.shape.length !== input.shape.length) return output.shape.length === 0;
  return output.shape.every((size, i) => size === -1 || input.shape[i] === -1 || size === input.shape[i]);
}

function listed(specs: readonly TensorSpec[]): string {
  return specs
    .map(({ name, datatype, shape }) => `${quoteText(name)} ${datatype} ${showShape(shape)}`)
    .join(', ');
}

function mismatch(reason: string): AppError {
  return new AppError('interface_mismatch', `Cannot pack: "state" ${reason}.`);
}
