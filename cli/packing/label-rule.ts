/**
 * The label rule of a version, complete: what model.yaml leaves open is taken from the output and from the classes that
 * the model file names, and what cannot be read that way is refused before a device figures with it.
 */
import { AppError } from '../../shared/base/app-error.ts';
import { isReal } from '../../shared/inference/element-range.ts';
import { showShape } from '../../shared/inference/exact-values.ts';
import type { TensorSpec } from '../../shared/inference/tensor.ts';
import type { LabelRule } from '../../shared/manifest/model-manifest.ts';
import type { ClassLabels } from '../../shared/onnx/class-labels.ts';
import type { OnnxInterface } from '../../shared/onnx/read-model.ts';
import { columnsOf, readingOf } from '../../shared/telemetry/label-reading.ts';
import type { ModelYaml } from './model-yaml.ts';

export interface LabelRuleOptions {
  readonly label: LabelRule;
  readonly classes: readonly string[] | undefined;
  readonly output: TensorSpec;
  /** Classes that the model file names for the output. */
  readonly known: ClassLabels | undefined;
}

/** The rule of model.yaml, complete; undefined where it has none. Throws `interface_mismatch`. */
export function labelRuleOf(
  { label, classes }: Pick<ModelYaml, 'label' | 'classes'>,
  { outputs, classLabels }: Pick<OnnxInterface, 'outputs' | 'classLabels'>,
): LabelRule | undefined {
  if (label === undefined && classes !== undefined) checkClasses(classes, { outputs, classLabels });
  const output = outputs.find((spec) => spec.name === label?.output);
  if (label === undefined || output === undefined) return undefined;
  return completeLabelRule({ label, classes, output, known: classLabels.get(output.name) });
}

/** Without a rule nothing says which output has the classes, but one of them must be able to. */
function checkClasses(
  classes: readonly string[],
  { outputs, classLabels }: Pick<OnnxInterface, 'outputs' | 'classLabels'>,
): void {
  const fits = outputs.some(({ name, datatype, shape }) => {
    const known = classLabels.get(name);
    if (known !== undefined) return known.length === classes.length;
    if (!isReal(datatype)) return true;
    // A tensor of one axis is one row, unless that axis is open and counts rows.
    const row = shape.length === 1 && shape[0]! > 1 ? shape : shape.slice(1);
    const axes = row.filter((size) => size !== 1);
    // Masks and boxes have their classes along one of several axes, or beside other numbers.
    if (axes.length > 1 || axes[0] === -1) return true;
    const columns = axes[0] ?? 1;
    return columns === classes.length || (columns === 1 && classes.length === 2);
  });
  if (fits) return;
  const shown = outputs.map(({ name, datatype, shape }) => `"${name}" ${datatype} ${showShape(shape)}`);
  throw new AppError(
    'interface_mismatch',
    `Cannot pack: "classes" names ${classes.length} classes, but no output has one score for each class or gives the class itself: ${shown.join(', ')}.`,
  );
}

/** Throws `interface_mismatch` for a rule that the output does not fit. */
export function completeLabelRule({ label, classes, output, known }: LabelRuleOptions): LabelRule {
  const { kind, read, threshold, values } = label;
  const columns = columnsOf(output.shape);
  const shown = `output "${output.name}" ${output.datatype} ${showShape(output.shape)}`;
  if (kind === 'regression') {
    if (read !== undefined || threshold !== undefined || values !== undefined) {
      throw mismatch(
        '"read", "threshold" and "values" apply to a classification only, and its kind is regression',
      );
    }
    if (output.datatype === 'BYTES' || output.datatype === 'BOOL') {
      throw mismatch(`a regression compares numbers, but ${shown} does not contain numbers`);
    }
    return label;
  }
  const reading = readingOf(label, output);
  const count = classes?.length ?? values?.length;
  for (const names of [classes ?? [], values ?? []]) {
    const spelled = names.map((name) => String(name).normalize('NFC'));
    const twice = spelled.find((name, i) => spelled.indexOf(name) !== i);
    if (twice !== undefined) throw mismatch(`two classes have the name "${twice}"`);
  }
  if (threshold !== undefined && reading !== 'threshold') {
    throw mismatch(
      `"threshold" needs a single score, but the class is read with "read: ${reading}" from ${shown}`,
    );
  }
  if (reading === 'threshold') {
    if (output.datatype === 'BYTES')
      throw mismatch(`${shown} is not a score that can be compared with a threshold`);
    if (columns > 1) throw mismatch(`a threshold needs a single score, but ${shown} has ${columns} columns`);
    if (count !== undefined && count !== 2) {
      throw mismatch(
        `a threshold separates two classes, found ${count}; use "read: argmax" if the model gives one score for each class, or "read: class" if it gives the class itself`,
      );
    }
  }
  if (reading === 'argmax') {
    if (output.datatype === 'BYTES')
      throw mismatch(`${shown} does not contain scores, which "read: argmax" needs`);
    if (columns === 1) {
      throw mismatch(
        `"read: argmax" needs one score for each class, but ${shown} has one column; use "read: threshold" or "read: class"`,
      );
    }
    if (count !== undefined && columns > 1 && count !== columns) {
      throw mismatch(`${shown} has ${columns} columns, but there are ${count} classes`);
    }
  }
  if (reading === 'class' && columns > 1) {
    throw mismatch(`"read: class" needs a single column, but ${shown} has ${columns}`);
  }
  if (classes && values && classes.length !== values.length) {
    throw mismatch(
      `"values" has ${values.length} entries and "classes" has ${classes.length}; each class needs one value`,
    );
  }
  return { ...label, read: reading, ...valuesOf({ label, classes, output, known }) };
}

/** The values the model file names, where model.yaml names none; both, if they agree. */
function valuesOf({
  label: { values },
  classes,
  output,
  known,
}: LabelRuleOptions): Pick<LabelRule, 'values'> {
  if (known === undefined || known.length === 0) return {};
  const listed = known.join(', ');
  if (values !== undefined) {
    if (values.map(String).join() === known.map(String).join()) return {};
    throw mismatch(
      `"values" are ${values.join(', ')}, but by the model file "${output.name}" gives ${listed}`,
    );
  }
  const byName = typeof known[0] === 'string' && classes?.every((name) => known.includes(name));
  if (byName && output.datatype === 'BYTES') return {};
  if (classes !== undefined && classes.length !== known.length) {
    throw mismatch(
      `"classes" names ${classes.length}, but by the model file "${output.name}" gives ${listed}`,
    );
  }
  if (byName && classes!.some((name, i) => name !== known[i])) {
    throw mismatch(`"classes" are in another order than in the model file, which has ${listed}`);
  }
  return { values: [...known] };
}

function mismatch(reason: string): AppError {
  return new AppError('interface_mismatch', `Cannot pack: the label rule does not fit the model: ${reason}.`);
}
