/** Slots with real files in them, as the update machine would leave them, for tests of serving. */
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Slot } from '../../agent/slots/slot.ts';
import type { Tensor, TensorSpec } from '../../shared/inference/tensor.ts';
import type { ArtifactEntry, ModelManifest } from '../../shared/manifest/model-manifest.ts';

export interface GoldenSample {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
}

export interface ServingSlotOptions {
  /** Folder that gets the slot's folder. */
  readonly folder: string;
  readonly onnx: Uint8Array;
  readonly model?: string;
  readonly version?: string;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly samples?: readonly GoldenSample[];
  readonly manifest?: Partial<ModelManifest>;
}

export async function makeServingSlot(options: ServingSlotOptions): Promise<Slot> {
  const { onnx, model = 'm', version = '1.0.0', inputs, outputs, samples = [], manifest = {} } = options;
  const manifestSha256 = createHash('sha256').update(`${model} ${version}`).update(onnx).digest('hex');
  const folder = join(options.folder, manifestSha256);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'model.onnx'), onnx);
  const golden = Buffer.from(goldenJson(samples));
  await writeFile(join(folder, 'golden.json'), golden);
  return {
    model,
    version,
    release: 1,
    manifestSha256,
    folder,
    manifest: {
      v: 1,
      model,
      version,
      release: 1,
      created: '2026-11-21T00:00:00Z',
      files: [artifact('model.onnx', 'model', onnx), artifact('golden.json', 'golden', golden)],
      variants: [{ file: 'model.onnx', precision: 'fp32', providers: ['cpu'] }],
      interface: { inputs: [...inputs], outputs: [...outputs] },
      golden: { file: 'golden.json', tolerances: {} },
      ...manifest,
    },
  };
}

function artifact(path: string, role: ArtifactEntry['role'], bytes: Uint8Array): ArtifactEntry {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { path, role, sha256, bytes: bytes.byteLength, chunks: [sha256] };
}

/** An FP32 tensor. */
export function fp32(name: string, shape: readonly number[], values: readonly number[]): Tensor {
  return { name, datatype: 'FP32', shape, data: new Uint8Array(Float32Array.from(values).buffer) };
}

/** What a model declares of an FP32 tensor; −1 marks a size that may vary. */
export function fp32Spec(name: string, shape: readonly number[]): TensorSpec {
  return { name, datatype: 'FP32', shape: [...shape] };
}

function goldenJson(samples: readonly GoldenSample[]): string {
  const encode = (tensors: readonly Tensor[]) =>
    tensors.map((tensor) => ({ ...tensor, data: Buffer.from(tensor.data).toString('base64') }));
  return JSON.stringify({
    v: 1,
    samples: samples.map(({ inputs, outputs }) => ({ inputs: encode(inputs), outputs: encode(outputs) })),
  });
}
