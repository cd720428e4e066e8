/**
 * A packed folder: `manifest.json` and the artifacts it names, flat. What `models pack` writes and `models publish`
 * signs and uploads; reading one checks every digest, so that nothing is signed that is not there.
 */

import { join } from 'node:path';
import { readRegularFile } from '../../platform/regular-file.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { sha256 } from '../../shared/digest/sha256.ts';
import {
  type ArtifactEntry,
  type ModelManifest,
  parseManifest,
} from '../../shared/manifest/model-manifest.ts';
import { indexChunks } from './chunk-index.ts';

export interface PackedFile {
  readonly entry: ArtifactEntry;
  /** Where its bytes lie. */
  readonly path: string;
}

export interface PackedVersion {
  readonly folder: string;
  readonly manifest: ModelManifest;
  /** The manifest as it is signed: canonical JSON, byte for byte. */
  readonly manifestBytes: Uint8Array;
  readonly manifestSha256: string;
  readonly files: readonly PackedFile[];
}

export const manifestFileName = 'manifest.json';

/** Where the packed version of a folder with model.yaml lies unless it is put elsewhere. */
export function packedFolder(folder: string): string {
  return join(folder, 'packed');
}

/** Reads a packed folder. Throws `pack_invalid` when a file is absent or is not the one the manifest names. */
export async function readPackedVersion(folder: string): Promise<PackedVersion> {
  const manifestFile = join(folder, manifestFileName);
  const reading = readRegularFile(manifestFile, limits.manifestBytesMax, { links: true });
  const manifestBytes = await reading.catch((cause: unknown) => {
    throw new AppError(
      'pack_invalid',
      `Cannot read "${folder}" as a packed version: it contains no ${manifestFileName}. Run "modelfleet models pack" first.`,
      { cause },
    );
  });
  const manifest = parseManifest(manifestBytes);
  const files = manifest.files.map((entry) => ({ entry, path: join(folder, entry.path) }));
  for (const file of files) await checkFile(file);
  checkReferences(manifest);
  return {
    folder,
    manifest,
    manifestBytes,
    manifestSha256: sha256(manifestBytes),
    files,
  };
}

async function checkFile({ entry, path }: PackedFile): Promise<void> {
  const index = await indexChunks(path).catch((cause: unknown) => {
    if (cause instanceof AppError) throw cause;
    throw new AppError('pack_invalid', `Cannot read "${path}", which the manifest names.`, { cause });
  });
  const same =
    index.sha256 === entry.sha256 &&
    index.bytes === entry.bytes &&
    index.chunks.length === entry.chunks.length &&
    index.chunks.every((digest, i) => digest === entry.chunks[i]);
  if (same) return;
  throw new AppError(
    'pack_invalid',
    `Cannot use "${path}": its digest is ${index.sha256} (${index.bytes} bytes), and the manifest names ${entry.sha256} (${entry.bytes} bytes).`,
  );
}

function checkReferences({ files, golden, variants }: ModelManifest): void {
  const role = new Map(files.map((file) => [file.path, file.role]));
  const wrong = variants.find((variant) => role.get(variant.file) !== 'model');
  if (wrong !== undefined || role.size !== files.length || role.get(golden.file) !== 'golden') {
    throw new AppError(
      'pack_invalid',
      `Cannot use the packed version: its manifest names a file twice, or a variant or golden file that it does not list.`,
    );
  }
}
