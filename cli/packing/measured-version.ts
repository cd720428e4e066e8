/** What only running a version's models can tell: golden samples, shapes left open, and the reference profile. */
import { basename } from 'node:path';
import type { Logger } from '../../platform/logger.ts';
import { RunnerProcess } from '../../runner/runner-client.ts';
import { AppError, isAppError } from '../../shared/base/app-error.ts';
import { ownValue } from '../../shared/base/own-value.ts';
import { quoteText } from '../../shared/inference/exact-values.ts';
import type { Tensor, TensorSpec } from '../../shared/inference/tensor.ts';
import type { LabelRule, ModelManifest } from '../../shared/manifest/model-manifest.ts';
import type { ReferenceProfile } from '../../shared/manifest/reference-profile.ts';
import { type BatchAxis, batchRemarks, findBatchAxis, servedInputs } from './batch-axis.ts';
import { carriedState, withFirstState } from './carried-state.ts';
import { planFeatures } from './feature-plan.ts';
import {
  checkGolden,
  checkStable,
  defaultTolerance,
  type GoldenSample,
  loadExpected,
  makeGolden,
  pickRows,
} from './golden.ts';
import type { LabelCheck } from './label-check.ts';
import { labelRuleOf } from './label-rule.ts';
import { changedMeanwhile, type VariantFile } from './model-variants.ts';
import type { ModelYaml, SampleSource } from './model-yaml.ts';
import { type BuiltProfile, ProfileBuilder } from './reference-profile.ts';
import { type CarriedState, type Infer, RowRuns } from './row-runs.ts';
import { loadLabelCheck } from './sample-labels.ts';
import { SampleRows } from './sample-rows.ts';
import { shownOutputs, sizeRemarks } from './shown-outputs.ts';

const CELLS_DEFAULT = 20;
const BATCH_ROWS = 256;
const RUN_MS_MAX = 120_000;
const RUNS_AGAIN_MIN = 16;

export interface MeasuredVersion {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly profile: ReferenceProfile | undefined;
  readonly label: LabelRule | undefined;
  readonly samples: readonly GoldenSample[];
  readonly remarks: readonly string[];
}

export interface MeasureOptions {
  readonly folder: string;
  readonly yaml: ModelYaml;
  readonly variants: readonly VariantFile[];
  readonly skipGoldenCheck: boolean;
  readonly logger: Logger;
}

/**
 * Runs the first variant over golden samples and sample, then each variant over the golden samples, in processes of their
 * own. Throws `golden_mismatch`, `golden_unstable`, and what reading samples and running models throws.
 */
export async function measureVersion(options: MeasureOptions): Promise<MeasuredVersion> {
  const { folder, yaml, variants, skipGoldenCheck, logger } = options;
  const [reference] = variants as [VariantFile, ...VariantFile[]];
  const { inputs, leftOut } = reference.onnx;
  const state = carriedState(yaml, reference.onnx);
  const features = yaml.features ?? {};
  const load = (source: SampleSource) =>
    SampleRows.load({ folder, source: withFirstState(source, { yaml, inputs, state }), inputs, features });
  const sample = yaml.sample ? await load(yaml.sample) : undefined;
  const ownRows = yaml.golden.file !== undefined || yaml.golden.arrays !== undefined;
  const goldenRows = ownRows ? await load(yaml.golden) : (sample ?? (await load(withoutRows(inputs))));
  const expected = await loadExpected(folder, yaml.golden, goldenRows);
  const tolerances = tolerancesOf(yaml, reference.onnx.outputs);

  const { golden, profile, outputs, label, batch, axis } = await withRunner(
    reference,
    logger,
    async (infer) => {
      const runs = () => new RowRuns(goldenRows, { infer, state });
      const picked = await pickRows(goldenRows, { runs: runs(), ownRows, wanted: yaml.golden.rows });
      const golden = await makeGolden(picked.rows, { runs: runs(), sample: goldenRows, expected });
      if (!skipGoldenCheck) checkGolden(reference.variant.file, golden.samples, golden.computed, tolerances);
      const shown = shownOutputs(reference.onnx, golden.computed);
      const pair = firstTwo(picked.rows);
      const batch = { rows: goldenRows, pair, outputs: shown, tolerances };
      const alone = firstTwo(golden.computed);
      const { axis, outputs } = await findBatchAxis({ ...batch, alone, infer });
      const label = labelRuleOf(yaml, { outputs, classLabels: reference.onnx.classLabels });
      const checkOf = (source: SampleSource, rows: SampleRows) =>
        label && loadLabelCheck({ folder, source, rows, label, classes: yaml.classes, outputs });
      const checks = [ownRows && (await checkOf(yaml.golden, goldenRows))].filter((check) => !!check);
      for (const [i, row] of picked.rows.entries()) checks[0]?.add([row], golden.computed[i]!);
      const check = sample && (await checkOf(yaml.sample!, sample));
      const batched = axis === 'free';
      const profile =
        sample &&
        (await profileSample(sample, { yaml, inputs, outputs, infer, state, label, check, batched }));
      if (check) checks.push(check);
      return {
        golden: { ...golden, remarks: [...picked.remarks, ...checks.flatMap((one) => one.finish())] },
        profile,
        outputs,
        label,
        batch,
        axis,
      };
    },
  );
  const axes: [string, BatchAxis][] = [[reference.variant.file, axis]];
  for (const variant of skipGoldenCheck ? [] : variants) {
    const { file } = variant.variant;
    const computed =
      variant === reference
        ? golden.computed
        : await withRunner(variant, logger, async (infer) => {
            const computed = await inOrder(golden.samples, infer);
            checkGolden(file, golden.samples, computed, tolerances);
            const { axis } = await findBatchAxis({ ...batch, alone: firstTwo(computed), infer });
            axes.push([file, axis]);
            return computed;
          });
    await withRunner(variant, logger, (infer) =>
      proveStable(file, { samples: golden.samples, computed, tolerances, infer }),
    );
  }
  return {
    // One interface speaks for all variants, so the narrowest holds.
    inputs: servedInputs(inputs, axes.some(([, one]) => one === 'fixed') ? 'fixed' : 'free'),
    outputs,
    label,
    profile: profile?.profile,
    samples: golden.samples,
    remarks: [
      ...variants
        .filter(({ name, variant }) => basename(name) !== variant.file)
        .map(({ name, variant }) => `${quoteText(name)} is packed as "${variant.file}"`),
      ...leftOut.map(({ name, reason }) => `output "${name}" ${reason}: left out of the interface`),
      ...sizeRemarks(reference.onnx, outputs),
      ...unnamedState(inputs, { rows: sample ?? goldenRows, state }),
      ...axes.flatMap(([file, one]) => batchRemarks(file, one)),
      ...golden.remarks,
      ...(profile?.remarks ?? []),
    ],
  };
}

/** The first two, or the one there is twice. */
function firstTwo<T>([first, second]: readonly T[]): readonly [T, T] {
  return [first!, second ?? first!];
}

/** A model without inputs is run as it is; any other needs rows. */
function withoutRows(inputs: readonly TensorSpec[]): SampleSource {
  if (inputs.length === 0) return {};
  throw new AppError(
    'model_yaml_invalid',
    'Cannot read model.yaml: golden samples need rows from "sample", "golden.file" or "golden.arrays".',
  );
}

/** A tensor that is the same in every row is often a state whose output nobody named: its profile would not be as in service. */
function unnamedState(
  inputs: readonly TensorSpec[],
  { rows, state }: { readonly rows: SampleRows; readonly state: CarriedState },
): string[] {
  const varying = rows.varyingInputs;
  return inputs
    .filter(({ name, shape }) => shape.length >= 2 && !varying.includes(name) && !state.has(name))
    .map(
      ({ name }) =>
        `input ${quoteText(name)} is the same in every row; if it is state that the model hands back, name its output under "state"`,
    );
}

/** Tolerance by output name, as model.yaml says or by datatype. */
export function tolerancesOf(
  yaml: ModelYaml,
  outputs: readonly TensorSpec[],
): ModelManifest['golden']['tolerances'] {
  return Object.fromEntries(
    outputs.map((output) => [
      output.name,
      ownValue(yaml.tolerances, output.name) ?? defaultTolerance(output),
    ]),
  );
}

async function withRunner<T>(
  { name, path, sha256, onnx }: VariantFile,
  logger: Logger,
  use: (infer: Infer) => Promise<T>,
): Promise<T> {
  const names = onnx.outputs.map((output) => output.name);
  const options = { file: path, sha256, provider: 'cpu' };
  const runner = await RunnerProcess.start(options, { logger }).catch((cause: unknown) => {
    if (isAppError(cause, 'slot_damaged')) throw changedMeanwhile(name, cause);
    // A link may lead to a name that says nothing.
    if (!isAppError(cause) || basename(name) === basename(path)) throw cause;
    throw new AppError(cause.code, cause.message.replace(basename(path), name), { cause });
  });
  try {
    return await use(
      async (inputs) => (await runner.infer(inputs, { outputs: names, deadlineMs: RUN_MS_MAX })).outputs,
    );
  } finally {
    await runner.close();
  }
}

async function inOrder(samples: readonly GoldenSample[], infer: Infer): Promise<(readonly Tensor[])[]> {
  const computed: (readonly Tensor[])[] = [];
  for (const { inputs } of samples) computed.push(await infer(inputs));
  return computed;
}

/**
 * Runs the samples again, from the last to the first and after one run for nothing: noise from a fixed seed begins alike in
 * every process, and would be the same in the same order. A class that is drawn may be drawn twice, so few samples
 * are run several times.
 */
async function proveStable(
  file: string,
  {
    samples,
    computed,
    tolerances,
    infer,
  }: {
    readonly samples: readonly GoldenSample[];
    readonly computed: readonly (readonly Tensor[])[];
    readonly tolerances: ModelManifest['golden']['tolerances'];
    readonly infer: Infer;
  },
): Promise<void> {
  await infer(samples[0]!.inputs);
  const backwards = samples.toReversed();
  for (let runs = 0; runs < RUNS_AGAIN_MIN; runs += samples.length) {
    const again = (await inOrder(backwards, infer)).reverse();
    checkStable(file, { computed, again, tolerances });
  }
}

async function profileSample(
  sample: SampleRows,
  options: {
    readonly yaml: ModelYaml;
    readonly inputs: readonly TensorSpec[];
    readonly outputs: readonly TensorSpec[];
    readonly infer: Infer;
    readonly state: CarriedState;
    readonly label: LabelRule | undefined;
    readonly check: LabelCheck | undefined;
    /** Whether the model takes several rows in one run. */
    readonly batched: boolean;
  },
): Promise<BuiltProfile> {
  const { yaml, inputs, outputs, infer, state, check } = options;
  const varying = sample.varyingInputs;
  const carried = [...state.values()];
  const planned = planFeatures({
    inputs: inputs.filter((spec) => varying.includes(spec.name) && !state.has(spec.name)),
    outputs: outputs.filter((spec) => !carried.includes(spec.name)),
    columnNames: (input) =>
      ownValue(yaml.features, input)?.map((name) => name.normalize('NFC')) ?? sample.columnNames(input),
    categories: (output) => knownClasses(yaml, output === options.label?.output ? options.label : undefined),
  });
  const builder = new ProfileBuilder(planned.plans);
  const runs = new RowRuns(sample, { infer, state });
  const batched =
    options.batched && !runs.inOrder && sample.batchable && outputs.every((spec) => spec.shape[0] === -1);
  const size = batched ? BATCH_ROWS : 1;
  const rows = Array.from({ length: sample.count }, (_, row) => row);
  const complete = sample.runnableRows();
  for (const batch of batches(rows, size)) builder.add('input', sample.observed(batch));
  for (const batch of batches(complete, size)) {
    const answers = (await runs.run(batch)).outputs;
    builder.add('output', answers);
    check?.add(batch, answers);
  }
  const cells = yaml.profile?.cells ?? CELLS_DEFAULT;
  const { profile, remarks } = builder.build({
    rows: rows.length,
    cells,
    ordered: yaml.sample?.ordered ?? false,
  });
  const incomplete = rows.length - complete.length;
  return {
    profile,
    remarks: [
      ...(incomplete > 0
        ? [`${incomplete} of ${rows.length} sample rows lack a value and were not run`]
        : []),
      ...(complete.length === 0 ? ['no sample row has all its values: the outputs have no profile'] : []),
      ...planned.remarks,
      ...remarks,
    ],
  };
}

/** What an output of whole numbers gives for the classes: the values of its label rule, else 0, 1, … */
function knownClasses({ classes = [] }: ModelYaml, label: LabelRule | undefined): readonly string[] {
  return label?.values?.map(String) ?? classes.map((_, i) => String(i));
}

function* batches(rows: readonly number[], size: number): Generator<readonly number[]> {
  for (let at = 0; at < rows.length; at += size) yield rows.slice(at, at + size);
}
