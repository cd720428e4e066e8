/** The checks of a version's own bytes: the manifest against itself, and every artifact against what the hub holds. */
import { createHash } from 'node:crypto';
import { AppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import type { ArtifactEntry, ModelManifest } from '../../shared/manifest/model-manifest.ts';
import type { BlobStore } from '../transfer/blob-store.ts';

/** Throws `bad_input` when parts of the manifest contradict each other. */
export function checkManifest(manifest: ModelManifest): void {
  const name = `${manifest.model} ${manifest.version}`;
  const refuse = (why: string): AppError =>
    new AppError('bad_input', `Cannot publish ${name}: in its manifest ${why}.`);
  const roles = new Map<string, ArtifactEntry['role']>();
  for (const file of manifest.files) {
    if (roles.has(file.path)) throw refuse(`the file "${file.path}" appears twice`);
    roles.set(file.path, file.role);
    const wanted = Math.ceil(file.bytes / limits.chunkBytes);
    if (file.chunks.length !== wanted) {
      throw refuse(
        `"${file.path}" has ${file.chunks.length} chunks, but its ${file.bytes} bytes make ${wanted}`,
      );
    }
  }
  for (const { file } of manifest.variants) {
    if (roles.get(file) !== 'model')
      throw refuse(`a variant uses "${file}", which is not one of its model files`);
  }
  if (roles.get(manifest.golden.file) !== 'golden') {
    throw refuse(`the golden file "${manifest.golden.file}" is not among the files`);
  }
}

/**
 * Reads every artifact from its chunks and compares length and digest. Throws `chunks_missing`, naming up to ten of
 * them, or `artifact_mismatch`.
 */
export async function verifyArtifacts(manifest: ModelManifest, blobs: Pick<BlobStore, 'get'>): Promise<void> {
  const name = `${manifest.model} ${manifest.version}`;
  const missing: string[] = [];
  for (const file of manifest.files) {
    const hash = createHash('sha256');
    let left = file.bytes;
    for (const digest of file.chunks) {
      const wanted = Math.min(left, limits.chunkBytes);
      const chunk = await blobs.get(digest);
      left -= wanted;
      if (!chunk) {
        missing.push(digest);
        continue;
      }
      if (chunk.byteLength !== wanted) {
        throw new AppError(
          'artifact_mismatch',
          `Cannot publish ${name}: chunk "${digest}" of "${file.path}" has ${chunk.byteLength} bytes, expected ${wanted}.`,
        );
      }
      hash.update(chunk);
    }
    const found = hash.digest('hex');
    if (missing.length === 0 && found !== file.sha256) {
      throw new AppError(
        'artifact_mismatch',
        `Cannot publish ${name}: the chunks of "${file.path}" make a file with digest "${found}", expected "${file.sha256}".`,
      );
    }
  }
  requireChunks(manifest, missing);
}

/** Throws `chunks_missing`, naming up to ten of those that are. */
export function requireChunks({ model, version }: ModelManifest, missing: readonly string[]): void {
  if (missing.length === 0) return;
  throw new AppError(
    'chunks_missing',
    `Cannot publish ${model} ${version}: the hub lacks ${missing.length} of its chunks.`,
    { details: { missing: missing.slice(0, 10), count: missing.length } },
  );
}
