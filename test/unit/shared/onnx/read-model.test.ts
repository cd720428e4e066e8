import { describe, expect, it } from 'vitest';
import { decodeModel, encodeModel, type ModelProto } from '../../../../shared/onnx/model-proto.ts';
import { readOnnxInterface } from '../../../../shared/onnx/read-model.ts';
import { ModelBuilder } from '../../../../shared/onnx/write-model.ts';
import {
  addModel,
  classifierModel,
  crashingModel,
  float16Model,
  statefulModel,
} from '../../../support/models.ts';

describe('readOnnxInterface()', () => {
  it('gives names, datatypes and shapes, −1 for a symbolic dimension', () => {
    const read = readOnnxInterface(classifierModel());
    expect(read.inputs).toEqual([{ name: 'x', datatype: 'FP32', shape: [-1, 2] }]);
    expect(read.outputs).toEqual([
      { name: 'label', datatype: 'INT64', shape: [-1] },
      { name: 'probabilities', datatype: 'FP32', shape: [-1, 3] },
    ]);
    expect(read.opsets).toEqual([{ domain: '', version: 13 }]);
    expect(read.irVersion).toBe(8);
  });

  it('reads several inputs, a scalar and FP16', () => {
    expect(readOnnxInterface(statefulModel()).inputs).toEqual([
      { name: 'input', datatype: 'FP32', shape: [-1, -1] },
      { name: 'state', datatype: 'FP32', shape: [2, -1, 4] },
      { name: 'sr', datatype: 'INT64', shape: [] },
    ]);
    expect(readOnnxInterface(float16Model()).outputs).toEqual([
      { name: 'y', datatype: 'FP16', shape: [-1, 2] },
    ]);
  });

  it('leaves out initializers that are listed as inputs too, as older files do', () => {
    const bytes = new ModelBuilder('old')
      .input('x', 'float', ['n', 1])
      .input('w', 'float', [1, 1])
      .constant('w', 'float', [1, 1], [3])
      .node('MatMul', { inputs: ['x', 'w'], outputs: ['y'] })
      .output('y', 'float', ['n', 1])
      .encode();
    expect(readOnnxInterface(bytes).inputs.map((input) => input.name)).toEqual(['x']);
  });

  it('gives the metadata of the file', () => {
    const bytes = new ModelBuilder('m')
      .input('x', 'float', [1])
      .node('Identity', { inputs: ['x'], outputs: ['y'] })
      .output('y', 'float', [1])
      .metadata('task', 'demo')
      .encode();
    expect(readOnnxInterface(bytes).metadata).toEqual({ task: 'demo' });
    expect(readOnnxInterface(bytes).producer).toBe('modelfleet 1');
  });

  it('leaves out a 4-bit output and says why', () => {
    const read = readOnnxInterface(crashingModel());
    expect(read.outputs.map((output) => output.name)).toEqual(['y']);
    expect(read.leftOut).toEqual([{ name: 'nibbles', reason: 'has element type uint4' }]);
  });

  it('refuses a model none of whose outputs can be served', () => {
    const bytes = changed(crashingModel(), (graph) => ({ ...graph, output: graph.output.slice(1) }));
    expect(() => readOnnxInterface(bytes)).toThrow(
      expect.objectContaining({
        code: 'model_unsupported',
        message: 'Cannot serve the ONNX model: output "nibbles" has element type uint4.',
      }),
    );
  });

  it('refuses an input without a shape', () => {
    const bytes = changed(addModel(), (graph) => ({
      ...graph,
      input: [{ name: 'a', type: { tensor_type: { elem_type: 1 } } }],
    }));
    expect(() => readOnnxInterface(bytes)).toThrow(expect.objectContaining({ code: 'model_unsupported' }));
  });

  it('names outputs whose rank the file leaves open', () => {
    const bytes = changed(addModel(), (graph) => ({
      ...graph,
      output: [{ name: 'sum', type: { tensor_type: { elem_type: 1 } } }],
    }));
    expect(readOnnxInterface(bytes).unranked).toEqual(['sum']);
  });

  it('refuses weights kept in another file', () => {
    const bytes = changed(addModel(), (graph) => ({
      ...graph,
      initializer: [{ name: 'w', dims: [1], data_type: 1, data_location: 1 }],
    }));
    expect(() => readOnnxInterface(bytes)).toThrow(/weight "w" is kept in another file/);
  });

  it.each([
    ['no bytes', new Uint8Array()],
    ['text', Buffer.from('not a model at all')],
    ['a model cut short', addModel().subarray(0, 60)],
    ['a model without nodes', changed(addModel(), (graph) => ({ ...graph, node: [] }))],
    [
      'two inputs of one name',
      changed(addModel(), (graph) => ({ ...graph, input: [graph.input[0]!, graph.input[0]!] })),
    ],
    [
      'an input without a name',
      changed(addModel(), (graph) => ({ ...graph, input: [{ ...graph.input[0]!, name: '' }] })),
    ],
  ])('refuses %s as model_file_invalid', (_, bytes) => {
    expect(() => readOnnxInterface(bytes)).toThrow(expect.objectContaining({ code: 'model_file_invalid' }));
  });

  it('refuses ranks and counts past the limits', () => {
    const dim = Array.from({ length: 9 }, () => ({ dim_value: 1 }));
    const deep = changed(addModel(), (graph) => ({
      ...graph,
      output: [{ name: 'sum', type: { tensor_type: { elem_type: 1, shape: { dim } } } }],
    }));
    expect(() => readOnnxInterface(deep)).toThrow(expect.objectContaining({ code: 'too_large' }));
    const wide = changed(addModel(), (graph) => ({
      ...graph,
      output: Array.from({ length: 65 }, (_, i) => ({ ...graph.output[0]!, name: `o${i}` })),
    }));
    expect(() => readOnnxInterface(wide)).toThrow(expect.objectContaining({ code: 'too_large' }));
  });

  it('survives graphs nested beyond the recursion limit', () => {
    // Field numbers: a model's graph is 7, a graph's node 5, a node's attribute 5, an attribute's graph 6.
    let graph: Buffer = Buffer.alloc(0);
    for (let depth = 0; depth < 300; depth += 1) graph = field(5, field(5, field(6, graph)));
    const bytes = field(7, graph);
    expect(() => readOnnxInterface(bytes)).toThrow(expect.objectContaining({ code: 'model_file_invalid' }));
  });
});

describe('decodeModel() and encodeModel()', () => {
  it('give back the same bytes', () => {
    for (const bytes of [addModel(), classifierModel(), crashingModel(), statefulModel()]) {
      expect(Buffer.compare(Buffer.from(encodeModel(decodeModel(bytes))), Buffer.from(bytes))).toBe(0);
    }
  });
});

type Graph = NonNullable<ModelProto['graph']>;

function changed(bytes: Uint8Array, change: (graph: Graph) => Graph): Uint8Array {
  const model = decodeModel(bytes);
  return encodeModel({ ...model, graph: change(model.graph!) });
}

/** A length-delimited protobuf field. */
function field(number: number, content: Buffer): Buffer {
  const head = [(number << 3) | 2];
  for (let rest = content.length; ; rest >>>= 7) {
    head.push(rest > 127 ? (rest & 127) | 128 : rest);
    if (rest <= 127) break;
  }
  return Buffer.concat([Buffer.from(head), content]);
}
