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

  it('leaves out sparse initializers that are listed as inputs too', () => {
    const values = { name: 'b', dims: [1], data_type: 1, raw_data: new Uint8Array(4) };
    const bytes = encodeModel(withGraph(decodeModel(addModel()), { sparse_initializer: [{ values }] }));
    expect(readOnnxInterface(bytes).inputs.map((input) => input.name)).toEqual(['a']);
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

  it.each([
    [16, 'bfloat16'],
    [19, 'float8e5m2'],
    [14, 'complex64'],
    [25, 'uint2'],
  ])('refuses an output of element type %d by name, with which no model loads', (elem_type, name) => {
    const bytes = changed(addModel(), (graph) => ({
      ...graph,
      output: [
        ...graph.output,
        { name: 'z', type: { tensor_type: { elem_type, shape: { dim: [{ dim_value: 1 }] } } } },
      ],
    }));
    expect(() => readOnnxInterface(bytes)).toThrow(
      expect.objectContaining({
        code: 'model_unsupported',
        message: `Cannot serve the ONNX model: output "z" has element type ${name}, and ONNX Runtime for Node cannot load a model with such an output; cast it to float, or export the model without it.`,
      }),
    );
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

  it.each<[string, (model: ModelProto) => ModelProto]>([
    ['an initializer', (model) => withGraph(model, { initializer: [outside] })],
    ['a sparse initializer', (model) => withGraph(model, { sparse_initializer: [{ values: outside }] })],
    [
      'the indices of a sparse initializer',
      (model) => withGraph(model, { sparse_initializer: [{ indices: outside }] }),
    ],
    ['a Constant', (model) => withNode(model, { attribute: [{ name: 'value', type: 4, t: outside }] })],
    [
      'a list of tensors',
      (model) => withNode(model, { attribute: [{ name: 'v', type: 9, tensors: [outside] }] }),
    ],
    [
      'a sparse attribute',
      (model) =>
        withNode(model, { attribute: [{ name: 'v', type: 11, sparse_tensor: { values: outside } }] }),
    ],
    [
      'the branch of an If inside a Loop',
      (model) => {
        const branch = { ...model.graph!, initializer: [outside] };
        const inner = {
          ...model.graph!,
          node: [{ ...model.graph!.node[0]!, attribute: [{ name: 'then_branch', type: 5, g: branch }] }],
        };
        return withNode(model, { attribute: [{ name: 'body', type: 5, g: inner }] });
      },
    ],
    [
      'a list of graphs',
      (model) =>
        withNode(model, {
          attribute: [{ name: 'g', type: 10, graphs: [{ ...model.graph!, initializer: [outside] }] }],
        }),
    ],
    [
      'a function',
      (model) => ({
        ...model,
        functions: [
          {
            name: 'f',
            node: [{ ...model.graph!.node[0]!, attribute: [{ name: 'value', type: 4, t: outside }] }],
          },
        ],
      }),
    ],
    [
      'the default of a function',
      (model) => ({
        ...model,
        functions: [{ name: 'f', node: [], attribute_proto: [{ name: 'value', type: 4, t: outside }] }],
      }),
    ],
    [
      'a training graph',
      (model) => ({ ...model, training_info: [{ algorithm: { ...model.graph!, initializer: [outside] } }] }),
    ],
    [
      'a compiled part',
      (model) =>
        withNode(model, { op_type: 'EPContext', attribute: [{ name: 'embed_mode', type: 2, i: 0 }] }),
    ],
  ])('refuses data kept in another file by %s', (_, change) => {
    const bytes = encodeModel(change(decodeModel(addModel())));
    expect(() => readOnnxInterface(bytes)).toThrow(
      expect.objectContaining({
        code: 'model_unsupported',
        message: expect.stringMatching(/is kept in another file/),
      }),
    );
  });

  it('takes a model without inputs', () => {
    const bytes = changed(addModel(), (graph) => ({ ...graph, input: [] }));
    expect(readOnnxInterface(bytes).inputs).toEqual([]);
  });

  it.each([
    [16, 'bfloat16'],
    [17, 'float8e4m3fn'],
    [22, 'int4'],
    [24, 'float8e8m0'],
    [26, 'int2'],
    [99, 'number 99, which ONNX 1.20 has no name for'],
  ])('names element type %d', (elem_type, name) => {
    const bytes = changed(addModel(), (graph) => ({
      ...graph,
      input: [{ name: 'a', type: { tensor_type: { elem_type, shape: { dim: [] } } } }],
    }));
    expect(() => readOnnxInterface(bytes)).toThrow(
      `Cannot serve the ONNX model: input "a" has element type ${name}.`,
    );
  });

  it('says how to export what ZipMap hides', () => {
    const read = readOnnxInterface(
      changed(classifierModel(), (graph) => ({
        ...graph,
        node: [
          ...graph.node,
          {
            input: ['probabilities'],
            output: ['z'],
            name: 'z',
            op_type: 'ZipMap',
            domain: 'ai.onnx.ml',
            attribute: [],
          },
        ],
        output: [...graph.output, { name: 'z', type: { sequence_type: new Uint8Array([10, 0]) } }],
      })),
    );
    expect(read.leftOut).toEqual([
      {
        name: 'z',
        reason: expect.stringMatching(
          /^is a sequence, not a tensor: ZipMap makes it from the tensor "probabilities"; .*"zipmap": False/,
        ),
      },
    ]);
  });

  it('refuses texts that a text output could not give as they are', () => {
    const latin = Uint8Array.of(0xfc);
    const attribute = [{ name: 'keys', type: 8, strings: [latin] }];
    const text = (model: ModelProto): ModelProto =>
      withGraph(model, {
        output: [{ name: 'sum', type: { tensor_type: { elem_type: 8, shape: { dim: [] } } } }],
      });
    const odd = withNode(decodeModel(addModel()), { attribute });
    expect(() => readOnnxInterface(encodeModel(text(odd)))).toThrow(/"keys" of the Add node .* not UTF-8/);
    expect(() => readOnnxInterface(encodeModel(odd))).not.toThrow();
    const constant = withGraph(text(decodeModel(addModel())), {
      initializer: [{ name: 'names', dims: [1], data_type: 8, string_data: [latin] }],
    });
    expect(() => readOnnxInterface(encodeModel(constant))).toThrow(
      /constant "names" contains text that is not UTF-8/,
    );
  });

  it('leaves out an output that no answer can name', () => {
    const bytes = changed(addModel(), (graph) => ({
      ...graph,
      output: [...graph.output, { ...graph.output[0]!, name: '__proto__' }],
    }));
    expect(readOnnxInterface(bytes).leftOut).toMatchObject([{ name: '__proto__' }]);
  });

  it('shows the beginning of a name that is too long', () => {
    const bytes = changed(addModel(), (graph) => ({
      ...graph,
      input: [{ ...graph.input[0]!, name: `pixels${'x'.repeat(300)}` }, graph.input[1]!],
    }));
    expect(() => readOnnxInterface(bytes)).toThrow(
      expect.objectContaining({
        code: 'model_unsupported',
        message: expect.stringMatching(/"pixelsx.* has 306 characters, but at most 256/),
      }),
    );
  });

  it.each([
    ['two inputs whose names look the same', ['caf\u00e9', 'cafe\u0301']],
    ['a name with a line break', ['a\nb', 'c']],
    ['a name that is not UTF-8', ['a\ufffd', 'c']],
  ])('refuses %s', (_, [first, second]) => {
    const bytes = changed(addModel(), (graph) => ({
      ...graph,
      input: [
        { ...graph.input[0]!, name: first! },
        { ...graph.input[1]!, name: second! },
      ],
    }));
    expect(() => readOnnxInterface(bytes)).toThrow(expect.objectContaining({ code: 'model_file_invalid' }));
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

type Graph = NonNullable<ModelProto['graph']>;

const outside = { name: 'w', dims: [1], data_type: 1, data_location: 1 };

function withGraph(model: ModelProto, change: Partial<Graph>): ModelProto {
  return { ...model, graph: { ...model.graph!, ...change } };
}

function withNode(model: ModelProto, change: Partial<Graph['node'][number]>): ModelProto {
  return withGraph(model, { node: [{ ...model.graph!.node[0]!, ...change }] });
}

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
