/** Names of tensors in model.yaml, spelled as the model spells them: an accent is one character there and two here. */
import { AppError } from '../../shared/base/app-error.ts';
import { quoteText } from '../../shared/inference/exact-values.ts';
import type { OnnxInterface } from '../../shared/onnx/read-model.ts';
import type { GoldenSource, ModelYaml, SampleSource } from './model-yaml.ts';

type Respell = (name: string) => string;
type ByName<T> = Readonly<Record<string, T>>;

/** Throws `model_yaml_invalid` where two names of one list are the same to the eye. */
export function spelledAsModel(
  yaml: ModelYaml,
  { inputs, outputs }: Pick<OnnxInterface, 'inputs' | 'outputs'>,
): ModelYaml {
  const input = respellTo(inputs.map((spec) => spec.name));
  const output = respellTo(outputs.map((spec) => spec.name));
  const ofRows = <T extends SampleSource>(source: T): T => ({
    ...source,
    ...(source.columns && { columns: keyed(source.columns, input) }),
    ...(source.arrays && { arrays: keyed(source.arrays, input) }),
    ...(source.fill && { fill: keyed(source.fill, input) }),
  });
  const { features, sample, golden, state, tolerances, label, units } = yaml;
  const wanted: GoldenSource = ofRows(golden);
  return {
    ...yaml,
    ...(yaml.inputs && { inputs: yaml.inputs.map((spec) => ({ ...spec, name: input(spec.name) })) }),
    ...(yaml.outputs && { outputs: yaml.outputs.map((spec) => ({ ...spec, name: output(spec.name) })) }),
    ...(features && { features: keyed(features, input) }),
    ...(sample && { sample: ofRows(sample) }),
    golden: { ...wanted, ...(wanted.expected && { expected: keyed(wanted.expected, output) }) },
    ...(state && {
      state: Object.fromEntries(Object.entries(state).map(([from, to]) => [input(from), output(to)])),
    }),
    ...(tolerances && { tolerances: keyed(tolerances, output) }),
    ...(units && { units: keyed(units, (name) => input(output(name))) }),
    ...(label && { label: { ...label, output: output(label.output) } }),
  };
}

function respellTo(names: readonly string[]): Respell {
  const spelled = new Map(names.map((name) => [name.normalize('NFC'), name]));
  return (name) => (names.includes(name) ? name : (spelled.get(name.normalize('NFC')) ?? name));
}

function keyed<T>(map: ByName<T>, respell: Respell): Record<string, T> {
  const entries = Object.entries(map).map(([name, value]): [string, T] => [respell(name), value]);
  const names = entries.map(([name]) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice === undefined) return Object.fromEntries(entries);
  throw new AppError(
    'model_yaml_invalid',
    `Cannot read model.yaml: it names ${quoteText(twice)} twice, spelled with other characters that look the same.`,
  );
}
