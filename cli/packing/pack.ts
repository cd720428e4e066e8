/**
 * `models pack`: makes a packed version of a folder with model.yaml, ONNX files and samples. Models run in runner
 * processes, so a bad one ends its runner and not this program. The result appears whole or not at all.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import canonicalize from 'canonicalize';
import { asDiskError } from '../../platform/atomic-file.ts';
import type { Logger } from '../../platform/logger.ts';
import { readRegularFile } from '../../platform/regular-file.ts';
import { AppError, errorText, isAppError } from '../../shared/base/app-error.ts';
import { formatBytes } from '../../shared/base/bytes.ts';
import { limits } from '../../shared/base/limits.ts';
import {
  type ArtifactEntry,
  type ModelManifest,
  parseManifest,
} from '../../shared/manifest/model-manifest.ts';
import { type ChunkIndex, indexChunks } from './chunk-index.ts';
import { encodeGolden } from './golden.ts';
import { type MeasuredVersion, measureVersion, tolerancesOf } from './measured-version.ts';
import { changedMeanwhile, copyVariant, loadVariants, type VariantFile } from './model-variants.ts';
import { loadModelYaml, type ModelYaml, modelYamlFile } from './model-yaml.ts';
import { digestSources, sourcesFileName, writeSources } from './packed-sources.ts';
import { manifestFileName, type PackedVersion, packedFolder, readPackedVersion } from './packed-version.ts';
import { spelledAsModel } from './tensor-names.ts';

const GOLDEN_FILE = 'golden.json';

export interface PackOptions {
  readonly folder: string;
  /** Where the packed version goes; the default is `packed` inside `folder`. */
  readonly out?: string | undefined;
  /** Packs a version whose model does not give the expected outputs. It will fail on every device: for rehearsals only. */
  readonly skipGoldenCheck?: boolean | undefined;
  readonly now: number;
  readonly logger: Logger;
  /** Called at the beginning of each step that may take long, with its name. */
  readonly onStep?: (name: string) => void;
}

export interface PackResult {
  readonly packed: PackedVersion;
  readonly goldenSamples: number;
  /** What the publisher should know: outputs left out, rows without all values. */
  readonly remarks: readonly string[];
}

/** Packs a version. Throws the errors of packaging (docs/ERRORS.md) and of the runner; nothing is left behind then. */
export async function packVersion(options: PackOptions): Promise<PackResult> {
  const { folder, out = packedFolder(folder), skipGoldenCheck, logger, onStep = () => undefined } = options;
  onStep('Reading model.yaml and the models');
  const written = await loadModelYaml(folder);
  const variants = await loadVariants(folder, written);
  const yaml = spelledAsModel(written, variants[0]!.onnx);
  await refuseForeignFolder(out);
  // Before models run and samples are read: what changes meanwhile counts as changed.
  const sources = await digestSources(folder, yaml);
  if (!isDeepStrictEqual(await loadModelYaml(folder), written)) throw changedMeanwhile(modelYamlFile);
  onStep('Running the models over the samples');
  const measured = await measureVersion({
    folder,
    yaml,
    variants,
    skipGoldenCheck: skipGoldenCheck ?? false,
    logger,
  });
  const { samples, remarks } = measured;
  const golden = encodeGolden(samples);
  onStep('Writing the packed version');

  const draft = `${out}.${randomBytes(4).toString('hex')}.tmp`;
  let made: string | undefined;
  try {
    made = await mkdir(dirname(out), { recursive: true });
    await mkdir(draft);
    await writeFile(join(draft, GOLDEN_FILE), golden);
    const manifest = await makeManifest(draft, { yaml, variants, measured, now: options.now });
    await writeFile(join(draft, manifestFileName), canonicalize(manifest)!);
    await writeSources(draft, { v: 1, packedAt: new Date(options.now).toISOString(), files: sources });
    await readPackedVersion(draft);
    await rm(out, { recursive: true, force: true });
    await rename(draft, out);
  } catch (error) {
    // Where nothing can be written there is nothing to remove, and why it could not is what counts.
    await rm(made ?? draft, { recursive: true, force: true }).catch(() => {});
    throw asPackError(error, out);
  }
  const packed = await readPackedVersion(out);
  return { packed, goldenSamples: samples.length, remarks: [...remarks, ...heavyGolden(packed)] };
}

/** Golden samples that weigh more than what they test. */
function heavyGolden({ files }: PackedVersion): string[] {
  const bytesOf = (role: ArtifactEntry['role']) =>
    files.reduce((sum, { entry }) => sum + (entry.role === role ? entry.bytes : 0), 0);
  const [golden, models] = [bytesOf('golden'), bytesOf('model')];
  if (golden <= Math.max(models, limits.goldenBytesUnasked / 4)) return [];
  return [
    `the golden samples take ${formatBytes(golden)} beside ${formatBytes(models)} of models, and every device fetches both: fewer rows may do`,
  ];
}

/** Copies the models into `folder`, beside the golden file, and says what lies there. */
async function makeManifest(
  folder: string,
  {
    yaml,
    variants,
    measured,
    now,
  }: {
    readonly yaml: ModelYaml;
    readonly variants: readonly VariantFile[];
    readonly measured: MeasuredVersion;
    readonly now: number;
  },
): Promise<ModelManifest> {
  const files: ArtifactEntry[] = [];
  const add = (path: string, role: ArtifactEntry['role'], { sha256, bytes, chunks }: ChunkIndex) =>
    files.push({ path, role, sha256, bytes, chunks: [...chunks] });
  for (const one of variants) add(one.variant.file, 'model', await copyVariant(one, folder));
  add(GOLDEN_FILE, 'golden', await indexChunks(join(folder, GOLDEN_FILE)));
  const { model, version, release, classes, units, objectives, card } = yaml;
  const { inputs, outputs, label, profile } = measured;
  return {
    v: 1,
    model,
    version,
    release,
    created: yaml.created ?? new Date(now).toISOString(),
    files,
    variants: variants.map(({ variant }) => variant),
    interface: {
      inputs: [...inputs],
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

/** Packing again replaces what packing wrote, and nothing else. */
async function refuseForeignFolder(out: string): Promise<void> {
  const found = await readdir(out).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === 'ENOENT') return [];
    throw asPackError(error, out);
  });
  if (found.length === 0) return;
  const manifest = await readRegularFile(join(out, manifestFileName), limits.manifestBytesMax)
    .then(parseManifest)
    .catch(() => undefined);
  const ours = manifest?.files.map(({ path }) => path) ?? [];
  const packed = manifest === undefined ? [] : [manifestFileName, sourcesFileName, ...ours];
  const foreign = found.find((name) => !packed.includes(name));
  if (foreign === undefined) return;
  throw new AppError(
    'bad_input',
    `Cannot pack into "${out}": it contains files that do not belong to a packed version, such as "${foreign}", and packing would delete them. Name a new folder with --out.`,
  );
}

/** An error of the file system as the publisher's to mend. */
function asPackError(error: unknown, out: string): unknown {
  const known = asDiskError(error, out);
  if (isAppError(known) || (error as NodeJS.ErrnoException).syscall === undefined) return known;
  return new AppError(
    'bad_input',
    `Cannot pack into "${out}": ${errorText(error)}. Name another folder with --out.`,
    { cause: error },
  );
}
