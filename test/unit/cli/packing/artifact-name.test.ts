import { describe, expect, it } from 'vitest';
import { artifactNames } from '../../../../cli/packing/artifact-name.ts';

describe('artifactNames()', () => {
  it.each([
    ['model.onnx', 'model.onnx'],
    ['export/v2_final-1.onnx', 'v2_final-1.onnx'],
    ['model (1).onnx', 'model-1.onnx'],
    ['mode\u0300le.onnx', 'modele.onnx'],
    ['mod\u00e8le.onnx', 'modele.onnx'],
    ['模型.onnx', 'model.onnx'],
    ['.hidden.onnx', 'hidden.onnx'],
    ['...', 'model'],
    [`${'x'.repeat(300)}.onnx`, `${'x'.repeat(100)}.onnx`],
  ])('packs %j as %j', (file, name) => {
    expect(artifactNames([file])).toEqual([name]);
    expect(name).toMatch(/^(?!\.)[A-Za-z0-9._-]{1,128}$/);
  });

  it('never gives two names that a disk or a person could confuse', () => {
    expect(
      artifactNames(['M.onnx', 'fp16/m.onnx', 'mod\u00e8le.onnx', 'mode\u0300le.onnx', 'golden.json']),
    ).toEqual(['M.onnx', 'm-2.onnx', 'modele.onnx', 'modele-2.onnx', 'golden-2.json']);
  });

  it('tells names apart that differ in capitals only, also from the files that packing writes', () => {
    expect(artifactNames(['a/Model.onnx', 'b/model.onnx', 'c/MODEL.ONNX', 'Manifest.JSON'])).toEqual([
      'Model.onnx',
      'model-2.onnx',
      'MODEL-3.ONNX',
      'Manifest-2.JSON',
    ]);
  });
});
