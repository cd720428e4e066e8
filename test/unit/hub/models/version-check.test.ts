import { describe, expect, it } from 'vitest';
import { checkManifest } from '../../../../hub/models/version-check.ts';
import type { ModelManifest } from '../../../../shared/manifest/model-manifest.ts';
import { packedVersion } from '../../../support/packed-version.ts';

const { manifest } = packedVersion({ version: '1.0.0', bytes: 300_000 });
const [model, golden] = manifest.files as [ModelManifest['files'][0], ModelManifest['files'][0]];

describe('checkManifest', () => {
  it('accepts a manifest that fits together', () => {
    expect(() => checkManifest(manifest)).not.toThrow();
  });

  it.each<[string, Partial<ModelManifest>, string]>([
    ['a file twice', { files: [model, golden, model] }, 'appears twice'],
    ['too few chunks', { files: [{ ...model, chunks: model.chunks.slice(1) }, golden] }, 'chunks'],
    [
      'too many chunks',
      { files: [{ ...model, chunks: [...model.chunks, ...model.chunks] }, golden] },
      'chunks',
    ],
    ['a variant of no file', { variants: [{ ...manifest.variants[0]!, file: 'other.onnx' }] }, 'other.onnx'],
    [
      'a variant of the golden file',
      { variants: [{ ...manifest.variants[0]!, file: 'golden.json' }] },
      'golden.json',
    ],
    ['a golden file that is not there', { golden: { ...manifest.golden, file: 'none.json' } }, 'none.json'],
    ['a golden file that is a model', { golden: { ...manifest.golden, file: 'model.onnx' } }, 'golden file'],
  ])('refuses %s', (_what, change, text) => {
    expect(() => checkManifest({ ...manifest, ...change })).toThrow(
      expect.objectContaining({ code: 'bad_input', message: expect.stringContaining(text) }),
    );
  });
});
