/** A version as a hub has it: manifest bytes and blobs. Its files are random bytes: nothing here runs ONNX. */
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { limits } from '../../shared/base/limits.ts';
import { seededRandom } from '../../shared/base/seeded-random.ts';
import type { ModelManifest } from '../../shared/manifest/model-manifest.ts';

export interface PackedVersion {
  readonly model: string;
  readonly version: string;
  readonly release: number;
  readonly manifest: ModelManifest;
  readonly manifestSha256: string;
  readonly manifestBytes: Uint8Array;
  /** Chunks and the manifest, by digest. */
  readonly blobs: ReadonlyMap<string, Uint8Array>;
}

export interface PackedVersionOptions {
  readonly model?: string;
  readonly version: string;
  readonly release?: number;
  /** Bytes of the model file. */
  readonly bytes?: number;
  readonly seed?: number;
  readonly inputName?: string;
}

export function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function packedVersion(options: PackedVersionOptions): PackedVersion {
  const { model = 'demo', version, bytes = 3 * limits.chunkBytes + 1000 } = options;
  const release = options.release ?? Number(version.split('.')[0]);
  const random = seededRandom(options.seed ?? release);
  const blobs = new Map<string, Uint8Array>();
  const addFile = (path: string, role: 'model' | 'golden', content: Uint8Array) => {
    const chunks: string[] = [];
    for (let at = 0; at < content.length; at += limits.chunkBytes) {
      const chunk = content.slice(at, at + limits.chunkBytes);
      chunks.push(digestOf(chunk));
      blobs.set(digestOf(chunk), chunk);
    }
    return { path, role, sha256: digestOf(content), bytes: content.length, chunks };
  };
  const content = Uint8Array.from({ length: bytes }, () => Math.floor(random() * 256));
  const tensor = { name: options.inputName ?? 'x', datatype: 'FP32' as const, shape: [-1, 1] };
  const manifest: ModelManifest = {
    v: 1,
    model,
    version,
    release,
    created: '2026-11-01T00:00:00Z',
    files: [
      addFile('model.onnx', 'model', content),
      // The same in every version, so a device that has one need not fetch it again.
      addFile('golden.json', 'golden', Buffer.from('{"samples":[]}')),
    ],
    variants: [{ file: 'model.onnx', precision: 'fp32', providers: ['cpu'] }],
    interface: { inputs: [tensor], outputs: [{ ...tensor, name: 'y' }] },
    golden: { file: 'golden.json', tolerances: { y: { absolute: 0, relative: 0 } } },
  };
  const manifestBytes = Buffer.from(JSON.stringify(manifest));
  const manifestSha256 = digestOf(manifestBytes);
  blobs.set(manifestSha256, manifestBytes);
  return { model, version, release, manifest, manifestSha256, manifestBytes, blobs };
}

/** Writes the blobs of versions into a folder, as a hub another process can read. */
export async function writeBlobs(folder: string, versions: readonly PackedVersion[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const version of versions) {
    for (const [digest, bytes] of version.blobs) await writeFile(join(folder, digest), bytes);
  }
  await writeFile(join(folder, 'versions.json'), JSON.stringify(versions.map((one) => one.manifestSha256)));
}
