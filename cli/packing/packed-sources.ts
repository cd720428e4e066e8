/**
 * What a version was packed from: the digest of each source, kept beside the packed version (and published with none), so
 * that publishing can tell whether the version is still that of its sources without packing again, which would give
 * another digest than the publisher was shown.
 */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Static, Type } from 'typebox';
import { sha256OfFile } from '../../platform/file-digest.ts';
import { readRegularFile, unreadableReason } from '../../platform/regular-file.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { Digest, Timestamp } from '../../shared/base/names.ts';
import { jsonParser } from '../../shared/base/parse.ts';
import { loadModelYaml, type ModelYaml, modelYamlFile, type SampleSource } from './model-yaml.ts';
import { findNamedFile, missingFile } from './named-file.ts';

/** No artifact is called so: their names begin with no dot. */
export const sourcesFileName = '.sources.json';

const PackedSources = Type.Object({
  v: Type.Literal(1),
  packedAt: Timestamp,
  /** Named as in model.yaml. */
  files: Type.Array(Type.Object({ name: Type.String({ maxLength: 512 }), sha256: Digest }), {
    maxItems: limits.packSourcesMax,
  }),
});
export type PackedSources = Static<typeof PackedSources>;

const parseSources = jsonParser(PackedSources, 'record of sources', limits.modelYamlBytesMax);

/** Digests of the sources as they are now. Throws `pack_file_missing`. */
export async function digestSources(folder: string, yaml: ModelYaml): Promise<PackedSources['files']> {
  const files: PackedSources['files'] = [];
  for (const name of sourceNames(yaml)) {
    files.push({ name, sha256: await sha256Of(await findNamedFile(folder, name)) });
  }
  return files;
}

export async function writeSources(packed: string, sources: PackedSources): Promise<void> {
  await writeFile(join(packed, sourcesFileName), JSON.stringify(sources));
}

/**
 * When the version in `packed` was made from the sources in `folder`. Throws `pack_outdated`, naming what has changed
 * since, and what reading model.yaml throws.
 */
export async function checkSources(folder: string, packed: string): Promise<Date> {
  const refuse = (why: string) =>
    new AppError(
      'pack_outdated',
      `Cannot publish "${folder}": ${why}. Run "modelfleet models pack ${folder}" first, or publish "${packed}" as it is.`,
    );
  const bytes = await readRegularFile(join(packed, sourcesFileName), limits.modelYamlBytesMax).catch(
    (cause: unknown) => {
      throw refuse(`it is not known what "${packed}" was packed from (${unreadableReason(cause)})`);
    },
  );
  const { packedAt, files } = parseSources(bytes);
  const then = new Map(files.map(({ name, sha256 }) => [name, sha256]));
  for (const { name, sha256 } of await digestSources(folder, await loadModelYaml(folder))) {
    if (then.get(name) !== sha256) {
      throw refuse(`"${name}" has changed since "${packed}" was packed at ${packedAt}`);
    }
  }
  return new Date(packedAt);
}

/** model.yaml and every file that it names. */
function sourceNames(yaml: ModelYaml): Set<string> {
  // Without a CSV file, labels are in one of their own.
  const ofRows = ({ file, arrays, label }: SampleSource) =>
    [file ?? label, ...Object.values(arrays ?? {})].filter((name) => name !== undefined);
  return new Set([
    modelYamlFile,
    ...(yaml.variants ?? [{ file: yaml.file! }]).map(({ file }) => file),
    ...(yaml.sample ? ofRows(yaml.sample) : []),
    ...ofRows(yaml.golden),
    ...Object.values(yaml.golden.expected ?? {}).filter((from) => typeof from === 'string'),
  ]);
}

async function sha256Of(path: string): Promise<string> {
  try {
    return await sha256OfFile(path, { links: true });
  } catch (cause) {
    throw missingFile(path, cause);
  }
}
