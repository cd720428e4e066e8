/**
 * `models pack`: makes a packed version of a folder with model.yaml, ONNX files and samples. Models run in runner
 * processes, so a bad one ends its runner and not this program. The result appears whole or not at all.
 */
import { randomBytes } from 'node:crypto';
import { copyFile, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import canonicalize from 'canonicalize';
import { asDiskError } from '../../platform/atomic-file.ts';
import type { Logger } from '../../platform/logger.ts';
import { RunnerProcess } from '../../runner/runner-client.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { ownValue } from '../../shared/base/own-value.ts';
import type { Tensor, TensorSpec } from '../../shared/inference/tensor.ts';
import type { ModelManifest } from '../../shared/manifest/model-manifest.ts';
import type { ReferenceProfile } from '../../shared/manifest/reference-profile.ts';
import { indexChunks } from './chunk-index.ts';
import { planFeatures } from './feature-plan.ts';
import {
  checkGolden,
  defaultTolerance,
  encodeGolden,
  type GoldenSample,
  type Infer,
  loadExpected,
  makeGolden,
  spreadRows,
} from './golden.ts';
import { loadVariants, type VariantFile } from './model-variants.ts';
import { loadModelYaml, type ModelYaml } from './model-yaml.ts';
import { manifestFileName, type PackedVersion, readPackedVersion } from './packed-version.ts';
import { type BuiltProfile, ProfileBuilder } from './reference-profile.ts';
import { SampleRows } from './sample-rows.ts';

const GOLDEN_FILE = 'golden.json';
const GOLDEN_ROWS_DEFAULT = 8;
const CELLS_DEFAULT = 20;
const BATCH_ROWS = 256;
const RUN_MS_MAX = 120_000;

export interface PackOptions {
  readonly folder: string;
  /** Where the packed version goes; the default is `packed` inside `folder`. */
  readonly out?: string | undefined;
  /** Packs a version whose model does not give the expected outputs. It will fail on every device: for rehearsals only. */
  readonly skipGoldenCheck?: boolean | undefined;
  readonly now: number;
  readonly logger: Logger;
}

export interface PackResult {
  readonly packed: PackedVersion;
  readonly goldenSamples: number;
  /** What the publisher should know: outputs left out, rows without all values. */
  readonly remarks: readonly string[];
}

/** Packs a version. Throws the errors of packaging (docs/ERRORS.md) and of the runner; nothing is left behind then. */
export async function packVersion(options: PackOptions): Promise<PackResult> {
  const { folder, out = join(folder, 'packed') } = options;
  const yaml = await loadModelYaml(folder);
  const variants = await loadVariants(folder, yaml);
  await refuseForeignFolder(out);
  const { outputs, profile, samples, remarks } = await runReference(options, yaml, variants);

  const draft = `${out}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    await mkdir(draft, { recursive: true });
    await writeFile(join(draft, GOLDEN_FILE), encodeGolden(samples));
    for (const { variant, path } of variants) await copyFile(path, join(draft, variant.file));
    const manifest = await makeManifest(draft, { yaml, variants, outputs, profile, now: options.now });
    await writeFile(join(draft, manifestFileName), canonicalize(manifest)!);
    await readPackedVersion(draft);
    await rm(out, { recursive: true, force: true });
    await rename(draft, out);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw asDiskError(error, out);
  }
  return { packed: await readPackedVersion(out), goldenSamples: samples.length, remarks };
}

interface Measured {
  readonly outputs: readonly TensorSpec[];
  readonly profile: ReferenceProfile | undefined;
  readonly samples: readonly GoldenSample[];
  readonly remarks: readonly string[];
}

/** Runs the first variant over golden samples and sample, then the others over the golden samples. */
async function runReference(
  { folder, skipGoldenCheck, logger }: PackOptions,
  yaml: ModelYaml,
  variants: readonly VariantFile[],
): Promise<Measured> {
  const [reference, ...others] = variants as [VariantFile, ...VariantFile[]];
  const { inputs, leftOut, unranked } = reference.onnx;
  const features = yaml.features ?? {};
  const load = (source: ModelYaml['golden']) => SampleRows.load({ folder, source, inputs, features });
  const sample = yaml.sample ? await load(yaml.sample) : undefined;
  const ownRows = yaml.golden.file !== undefined || yaml.golden.arrays !== undefined;
  const goldenRows = ownRows ? await load(yaml.golden) : sample!;
  // Rows of an own file are all run as they are: each is there to be judged.
  const picked = ownRows
    ? Array.from({ length: goldenRows.count }, (_, row) => row)
    : spreadRows(goldenRows, yaml.golden.rows ?? GOLDEN_ROWS_DEFAULT);
  if (picked.length > limits.goldenSamplesMax) {
    throw new AppError(
      'too_large',
      `Cannot pack: ${picked.length} golden samples, at most ${limits.goldenSamplesMax} are allowed.`,
    );
  }
  const expected = await loadExpected(folder, yaml.golden, goldenRows);
  const tolerances = tolerancesOf(yaml, reference.onnx.outputs);

  const { samples, profile, outputs } = await withRunner(reference, logger, async (infer) => {
    const { samples, computed } = await makeGolden(goldenRows, picked, { infer, expected });
    if (!skipGoldenCheck) checkGolden(reference.variant.file, samples, computed, tolerances);
    const outputs = reference.onnx.outputs.map((spec) => ranked(spec, unranked, computed[0]!));
    const profile = sample && (await profileSample(sample, { yaml, inputs, outputs, infer }));
    return { samples, profile, outputs };
  });
  for (const other of others) {
    await withRunner(other, logger, async (infer) => {
      const computed: (readonly Tensor[])[] = [];
      for (const { inputs } of samples) computed.push(await infer(inputs));
      if (!skipGoldenCheck) checkGolden(other.variant.file, samples, computed, tolerances);
    });
  }
  return {
    outputs,
    profile: profile?.profile,
    samples,
    remarks: [
      ...leftOut.map(({ name, reason }) => `output "${name}" ${reason}: left out of the interface`),
      ...(profile?.remarks ?? []),
    ],
  };
}

async function withRunner<T>(
  { path, onnx }: VariantFile,
  logger: Logger,
  use: (infer: Infer) => Promise<T>,
): Promise<T> {
  const names = onnx.outputs.map((output) => output.name);
  const runner = await RunnerProcess.start({ file: path, provider: 'cpu' }, { logger });
  try {
    return await use(
      async (inputs) => (await runner.infer(inputs, { outputs: names, deadlineMs: RUN_MS_MAX })).outputs,
    );
  } finally {
    await runner.close();
  }
}

async function profileSample(
  sample: SampleRows,
  {
    yaml,
    inputs,
    outputs,
    infer,
  }: {
    readonly yaml: ModelYaml;
    readonly inputs: readonly TensorSpec[];
    readonly outputs: readonly TensorSpec[];
    readonly infer: Infer;
  },
): Promise<BuiltProfile> {
  const varying = sample.varyingInputs;
  const planned = planFeatures({
    inputs: inputs.filter((spec) => varying.includes(spec.name)),
    outputs,
    columnNames: (input) => ownValue(yaml.features, input) ?? sample.columnNames(input),
    classes: yaml.classes,
  });
  const builder = new ProfileBuilder(planned.plans);
  const batched = sample.batchable && outputs.every((spec) => spec.shape[0] === -1);
  const rows = Array.from({ length: sample.count }, (_, row) => row);
  const complete = sample.runnableRows();
  for (const batch of batches(rows, batched ? BATCH_ROWS : 1)) builder.add('input', sample.observed(batch));
  for (const batch of batches(complete, batched ? BATCH_ROWS : 1)) {
    builder.add('output', await infer(sample.tensors(batch)));
  }
  const cells = yaml.profile?.cells ?? CELLS_DEFAULT;
  const { profile, remarks } = builder.build({ rows: rows.length, cells });
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

function* batches(rows: readonly number[], size: number): Generator<readonly number[]> {
  for (let at = 0; at < rows.length; at += size) yield rows.slice(at, at + size);
}

async function makeManifest(
  folder: string,
  {
    yaml,
    variants,
    outputs,
    profile,
    now,
  }: {
    readonly yaml: ModelYaml;
    readonly variants: readonly VariantFile[];
    readonly outputs: readonly TensorSpec[];
    readonly profile: ReferenceProfile | undefined;
    readonly now: number;
  },
): Promise<ModelManifest> {
  const names = [
    ...variants.map(({ variant }) => ({ path: variant.file, role: 'model' as const })),
    { path: GOLDEN_FILE, role: 'golden' as const },
  ];
  const files = [];
  for (const { path, role } of names) {
    const { sha256, bytes, chunks } = await indexChunks(join(folder, path));
    files.push({ path, role, sha256, bytes, chunks: [...chunks] });
  }
  const { model, version, release, classes, units, label, objectives, card } = yaml;
  return {
    v: 1,
    model,
    version,
    release,
    created: yaml.created ?? new Date(now).toISOString(),
    files,
    variants: variants.map(({ variant }) => variant),
    interface: {
      inputs: [...variants[0]!.onnx.inputs],
      outputs: [...outputs],
      ...(classes && { classes }),
      ...(units && { units }),
    },
    golden: { file: GOLDEN_FILE, tolerances: tolerancesOf(yaml, outputs) },
    ...(label && { label }),
    ...(profile && { profile }),
    ...(objectives && { objectives }),
    ...(card && { card }),
  };
}

function tolerancesOf(
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

/** A model may leave an output's rank open; one run shows it. */
function ranked(spec: TensorSpec, unranked: readonly string[], computed: readonly Tensor[]): TensorSpec {
  if (!unranked.includes(spec.name)) return spec;
  const shape = computed.find((tensor) => tensor.name === spec.name)?.shape ?? [];
  return { ...spec, shape: shape.map(() => -1) };
}

/** Packing again replaces what packing wrote, and nothing else. */
async function refuseForeignFolder(out: string): Promise<void> {
  const found = await readdir(out).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === 'ENOENT') return [];
    throw new AppError('bad_input', `Cannot pack into "${out}": ${error.message}.`, { cause: error });
  });
  if (found.length === 0 || found.includes(manifestFileName)) return;
  throw new AppError(
    'bad_input',
    `Cannot pack into "${out}": it holds other files and no ${manifestFileName}. Name a new folder with --out.`,
  );
}
