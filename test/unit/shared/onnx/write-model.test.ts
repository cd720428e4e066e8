import { describe, expect, it } from 'vitest';
import { decodeModel } from '../../../../shared/onnx/model-proto.ts';
import { ModelBuilder } from '../../../../shared/onnx/write-model.ts';

describe('ModelBuilder', () => {
  it('writes attributes with the type they were given as', () => {
    const bytes = new ModelBuilder('m')
      .node('Op', {
        inputs: [],
        outputs: ['y'],
        attributes: {
          a: { int: 2 },
          b: { float: 0.5 },
          c: 'text',
          d: { ints: [1, -2] },
          e: { floats: [0.25] },
          f: ['p', 'q'],
        },
      })
      .encode();
    const attributes = decodeModel(bytes).graph!.node[0]!.attribute;
    expect(attributes.map((a) => [a.name, a.type])).toEqual([
      ['a', 2],
      ['b', 1],
      ['c', 3],
      ['d', 7],
      ['e', 6],
      ['f', 8],
    ]);
    expect(attributes[3]!.ints).toEqual([1, -2]);
    expect(Buffer.from(attributes[2]!.s!).toString()).toBe('text');
  });

  it('imports the operators of classic models only where they are used', () => {
    const plain = new ModelBuilder('m').node('Identity', { inputs: ['x'], outputs: ['y'] }).encode();
    expect(decodeModel(plain).opset_import).toHaveLength(1);
    const classic = new ModelBuilder('m')
      .node('Scaler', { inputs: ['x'], outputs: ['y'], domain: 'ai.onnx.ml' })
      .encode();
    expect(decodeModel(classic).opset_import.map((o) => o.domain)).toEqual(['', 'ai.onnx.ml']);
  });

  it('refuses a constant whose values do not fill its shape', () => {
    expect(() => new ModelBuilder('m').constant('w', 'float', [2, 2], [1, 2, 3])).toThrow(
      'Cannot write tensor "w": shape [2,2] wants 4 values, found 3.',
    );
  });
});
