/** Tiny ONNX models, written by our own writer, one for each way a model can behave. */
import { seededRandom } from '../../shared/base/seeded-random.ts';
import type { ElementName } from '../../shared/onnx/element-datatypes.ts';
import { type Dimension, ModelBuilder } from '../../shared/onnx/write-model.ts';

/** `a` f32[-1,1] + `b` f32[-1,1] → `sum` f32[-1,1]. */
export function addModel(): Uint8Array {
  return new ModelBuilder('add')
    .input('a', 'float', ['batch', 1])
    .input('b', 'float', ['batch', 1])
    .node('Add', { inputs: ['a', 'b'], outputs: ['sum'] })
    .output('sum', 'float', ['batch', 1])
    .encode();
}

export interface LinearModelOptions {
  readonly features?: number;
  readonly outputs?: number;
  /** features × outputs, row-major; the default is all ones. */
  readonly weights?: readonly number[];
  readonly bias?: readonly number[];
  readonly inputName?: string;
  readonly outputName?: string;
  /** Noise that makes the file larger by `bytes`, and no difference. */
  readonly ballast?: { readonly bytes: number; readonly seed: number };
}

/** `x` f32[-1,features] → `y` f32[-1,outputs] = x·weights + bias. Two weights make two versions whose answers differ. */
export function linearModel(options: LinearModelOptions = {}): Uint8Array {
  const { features = 2, outputs = 1, inputName = 'x', outputName = 'y' } = options;
  const weights = options.weights ?? new Array<number>(features * outputs).fill(1);
  const bias = options.bias ?? new Array<number>(outputs).fill(0);
  const model = new ModelBuilder('linear').input(inputName, 'float', ['batch', features]);
  const count = Math.ceil((options.ballast?.bytes ?? 0) / 4);
  if (options.ballast && count > 0) {
    const random = seededRandom(options.ballast.seed);
    model.constant(
      'ballast',
      'float',
      [count],
      Float32Array.from({ length: count }, () => random()),
    );
  }
  return model
    .constant('weights', 'float', [features, outputs], weights)
    .constant('bias', 'float', [outputs], bias)
    .node('Gemm', { inputs: [inputName, 'weights', 'bias'], outputs: [outputName] })
    .output(outputName, 'float', ['batch', outputs])
    .encode();
}

/** `x` f32[-1,1] → `y` f32[-1,1] = 10·⌊x⌋ for 0 ≤ x < 10; any other x makes `run()` fail (Gather out of range). */
export function failingModel(): Uint8Array {
  return (
    new ModelBuilder('failing')
      .input('x', 'float', ['batch', 1])
      .constant('table', 'float', [10], [0, 10, 20, 30, 40, 50, 60, 70, 80, 90])
      // The offset makes negative readings fail too: Gather would count −1 from the end.
      .constant('far', 'float', [1], [1000])
      .constant('zero', 'float', [1], [0])
      .node('Less', { inputs: ['x', 'zero'], outputs: ['negative'] })
      .node('Where', { inputs: ['negative', 'far', 'x'], outputs: ['index_f'] })
      .node('Cast', { inputs: ['index_f'], outputs: ['index'], attributes: { to: { int: 7 } } })
      .node('Gather', { inputs: ['table', 'index'], outputs: ['y'], attributes: { axis: { int: 0 } } })
      .output('y', 'float', ['batch', 1])
      .encode()
  );
}

/** Loads, and aborts the process on `run()`: onnxruntime-node 1.30 cannot hand out a 4-bit output. `x` f32[-1,2] → `y` f32[-1,2], `nibbles` u4[-1,2]. */
export function crashingModel(): Uint8Array {
  return new ModelBuilder('crashing', { opset: 21 })
    .input('x', 'float', ['batch', 2])
    .node('Identity', { inputs: ['x'], outputs: ['y'] })
    .node('Cast', { inputs: ['x'], outputs: ['nibbles'], attributes: { to: { int: 21 } } })
    .output('y', 'float', ['batch', 2])
    .output('nibbles', 'uint4', ['batch', 2])
    .encode();
}

/** `x` f32[1] → `y` f32[1]; takes about `steps` × 30 ms on one core of a current server. */
export function slowModel({ steps = 20 }: { readonly steps?: number } = {}): Uint8Array {
  const size = 1024;
  const model = new ModelBuilder('slow')
    .input('x', 'float', [1])
    .constant('shape', 'int64', [2], [size, size])
    .constant('scale', 'float', [1], [1 / size])
    .node('Expand', { inputs: ['x', 'shape'], outputs: ['m0'] });
  for (let step = 0; step < steps; step += 1) {
    model
      .node('MatMul', { inputs: [`m${step}`, 'm0'], outputs: [`p${step}`] })
      .node('Mul', { inputs: [`p${step}`, 'scale'], outputs: [`m${step + 1}`] });
  }
  return model
    .node('ReduceMean', {
      inputs: [`m${steps}`],
      outputs: ['mean'],
      attributes: { axes: { ints: [0, 1] }, keepdims: { int: 0 } },
    })
    .node('Unsqueeze', { inputs: ['mean', 'axis'], outputs: ['y'] })
    .constant('axis', 'int64', [1], [0])
    .output('y', 'float', [1])
    .encode();
}

/** A convolutional net of the size and interface of MNIST's: `image` [1,1,28,28] → `logits` [1,10], in fp32 or fp16. */
export function mnistLike(
  { precision = 'float', seed = 1 } = {} as {
    readonly precision?: 'float' | 'float16';
    readonly seed?: number;
  },
): Uint8Array {
  const random = seededRandom(seed);
  const weights = (count: number, scale: number) =>
    Array.from({ length: count }, () => (random() - 0.5) * scale);
  const five = { ints: [5, 5] };
  return new ModelBuilder('mnist-like')
    .input('image', precision, [1, 1, 28, 28])
    .constant('k1', precision, [8, 1, 5, 5], weights(200, 0.2))
    .constant('k2', precision, [16, 8, 5, 5], weights(3200, 0.1))
    .constant('dense', precision, [256, 10], weights(2560, 0.1))
    .constant('bias', precision, [10], weights(10, 0.1))
    .node('Conv', {
      inputs: ['image', 'k1'],
      outputs: ['c1'],
      attributes: { kernel_shape: five, auto_pad: 'SAME_UPPER' },
    })
    .node('Relu', { inputs: ['c1'], outputs: ['r1'] })
    .node('MaxPool', {
      inputs: ['r1'],
      outputs: ['p1'],
      attributes: { kernel_shape: { ints: [2, 2] }, strides: { ints: [2, 2] } },
    })
    .node('Conv', {
      inputs: ['p1', 'k2'],
      outputs: ['c2'],
      attributes: { kernel_shape: five, auto_pad: 'SAME_UPPER' },
    })
    .node('Relu', { inputs: ['c2'], outputs: ['r2'] })
    .node('MaxPool', {
      inputs: ['r2'],
      outputs: ['p2'],
      attributes: { kernel_shape: { ints: [3, 3] }, strides: { ints: [3, 3] } },
    })
    .node('Flatten', { inputs: ['p2'], outputs: ['flat'] })
    .node('Gemm', { inputs: ['flat', 'dense', 'bias'], outputs: ['logits'] })
    .output('logits', precision, [1, 10])
    .encode();
}

/** `x` f32[-1,2] → `label` i64[-1] (0, 1 or 2), `probabilities` f32[-1,3]. */
export function classifierModel({ labelName = 'label' }: { readonly labelName?: string } = {}): Uint8Array {
  return new ModelBuilder('classifier')
    .input('x', 'float', ['batch', 2])
    .constant('weights', 'float', [2, 3], [2, -1, -1, -1, 2, -1])
    .constant('bias', 'float', [3], [0, 0, 0.5])
    .node('Gemm', { inputs: ['x', 'weights', 'bias'], outputs: ['logits'] })
    .node('Softmax', { inputs: ['logits'], outputs: ['probabilities'], attributes: { axis: { int: 1 } } })
    .node('ArgMax', {
      inputs: ['logits'],
      outputs: [labelName],
      attributes: { axis: { int: 1 }, keepdims: { int: 0 } },
    })
    .output(labelName, 'int64', ['batch'])
    .output('probabilities', 'float', ['batch', 3])
    .encode();
}

/** `x` f16[-1,2] → `y` f16[-1,2] = 2·x. */
export function float16Model(): Uint8Array {
  return new ModelBuilder('float16')
    .input('x', 'float16', ['batch', 2])
    .constant('two', 'float16', [1], [2])
    .node('Mul', { inputs: ['x', 'two'], outputs: ['y'] })
    .output('y', 'float16', ['batch', 2])
    .encode();
}

/** Interface of a stateful audio model: `input` f32[b,n], `state` f32[2,b,4], scalar `sr` i64[] → `output` f32[b,1], `stateN` f32[2,b,4]. */
export function statefulModel(): Uint8Array {
  return new ModelBuilder('stateful')
    .input('input', 'float', ['batch', 'samples'])
    .input('state', 'float', [2, 'batch', 4])
    .input('sr', 'int64', [])
    .node('ReduceMean', {
      inputs: ['input'],
      outputs: ['mean'],
      attributes: { axes: { ints: [1] }, keepdims: { int: 1 } },
    })
    .node('Cast', { inputs: ['sr'], outputs: ['rate'], attributes: { to: { int: 1 } } })
    .node('Mul', { inputs: ['mean', 'rate'], outputs: ['output'] })
    .node('Add', { inputs: ['state', 'mean'], outputs: ['stateN'] })
    .output('output', 'float', ['batch', 1])
    .output('stateN', 'float', [2, 'batch', 4])
    .encode();
}

/** `x` f32[1] → `y` f32[1]; a file of `bytes` bytes and a little more, of noise that no compression shortens. */
export function largeModel({
  bytes,
  seed = 1,
}: {
  readonly bytes: number;
  readonly seed?: number;
}): Uint8Array {
  const random = seededRandom(seed);
  const count = Math.ceil(bytes / 4);
  const noise = Float32Array.from({ length: count }, () => random() - 0.5);
  return new ModelBuilder('large')
    .input('x', 'float', [1])
    .constant('noise', 'float', [count], noise)
    .constant('first', 'int64', [1], [0])
    .node('Gather', { inputs: ['noise', 'first'], outputs: ['bias'], attributes: { axis: { int: 0 } } })
    .node('Add', { inputs: ['x', 'bias'], outputs: ['y'] })
    .output('y', 'float', [1])
    .encode();
}

/** `x` → `y`, the same values, of any element type and [-1,1] unless other sizes are given. */
export function identityModel(
  element: ElementName,
  {
    dims = ['batch', 1],
    inputName = 'x',
    outputName = 'y',
  }: {
    readonly dims?: readonly Dimension[];
    readonly inputName?: string;
    readonly outputName?: string;
  } = {},
): Uint8Array {
  return new ModelBuilder('identity')
    .input(inputName, element, dims)
    .node('Identity', { inputs: [inputName], outputs: [outputName] })
    .output(outputName, element, dims)
    .encode();
}

/** `x` f32[-1,2] → `p` f32[-1,1] = sigmoid(a − b), or the logit itself. */
export function sigmoidModel({ logit = false }: { readonly logit?: boolean } = {}): Uint8Array {
  const model = new ModelBuilder('sigmoid')
    .input('x', 'float', ['batch', 2])
    .constant('weights', 'float', [2, 1], [1, -1])
    .node('MatMul', { inputs: ['x', 'weights'], outputs: [logit ? 'p' : 'z'] });
  if (!logit) model.node('Sigmoid', { inputs: ['z'], outputs: ['p'] });
  return model.output('p', 'float', ['batch', 1]).encode();
}

/** `x` f32[-1,3] → `label` i64[-1]: which column is largest, counted from `first`. */
export function countedClassModel({ first = 1 }: { readonly first?: number } = {}): Uint8Array {
  return new ModelBuilder('counted-class')
    .input('x', 'float', ['batch', 3])
    .constant('first', 'int64', [], [first])
    .node('ArgMax', {
      inputs: ['x'],
      outputs: ['place'],
      attributes: { axis: { int: 1 }, keepdims: { int: 0 } },
    })
    .node('Add', { inputs: ['place', 'first'], outputs: ['label'] })
    .output('label', 'int64', ['batch'])
    .encode();
}

/** `x` f32[-1,2] → `label` text[-1]: "ok" or "faulty", by the larger column. */
export function textLabelModel(): Uint8Array {
  return new ModelBuilder('text-label')
    .input('x', 'float', ['batch', 2])
    .node('ArgMax', {
      inputs: ['x'],
      outputs: ['place'],
      attributes: { axis: { int: 1 }, keepdims: { int: 0 } },
    })
    .node('LabelEncoder', {
      inputs: ['place'],
      outputs: ['label'],
      attributes: { keys_int64s: { ints: [0, 1] }, values_strings: ['ok', 'faulty'] },
      domain: 'ai.onnx.ml',
    })
    .output('label', 'string', ['batch'])
    .encode();
}

/** `x` f32[-1,2] → `y` f32[-1,1] = a + b, over a Reshape to `batch` rows, as exporters bake it in. */
export function bakedBatchModel({ batch = 1 }: { readonly batch?: number } = {}): Uint8Array {
  return new ModelBuilder('baked-batch')
    .input('x', 'float', ['batch', 2])
    .constant('shape', 'int64', [2], [batch, 2])
    .constant('weights', 'float', [2, 1], [1, 1])
    .node('Reshape', { inputs: ['x', 'shape'], outputs: ['rows'] })
    .node('MatMul', { inputs: ['rows', 'weights'], outputs: ['y'] })
    .output('y', 'float', ['batch', 1])
    .encode();
}

/** No input → `y` f32[2] = 3, 4. */
export function constantModel(): Uint8Array {
  return new ModelBuilder('constant')
    .constant('value', 'float', [2], [3, 4])
    .node('Identity', { inputs: ['value'], outputs: ['y'] })
    .output('y', 'float', [2])
    .encode();
}

/** The 120-byte kind: bytes that start like a model and are none. */
export function brokenModel(): Uint8Array {
  return addModel().subarray(0, 60);
}

/** `x` f32[-1,2] → `y` f32[-1,1] = x₀ + x₁, with a detour over `bytes` of zeros: while loading (constants are folded) or in each run. */
export function greedyModel({
  bytes,
  from,
}: {
  readonly bytes: number;
  readonly from: 'loading' | 'running';
}): Uint8Array {
  return new ModelBuilder('greedy')
    .input('x', 'float', ['batch', 2])
    .constant('length', 'int64', [1], [Math.ceil(bytes / 4)])
    .constant('zero', 'float', [1], [0])
    .constant('first', 'int64', [1], [0])
    .constant('ones', 'float', [2, 1], [1, 1])
    .node('MatMul', { inputs: ['x', 'ones'], outputs: ['sum'] })
    .node('ReduceMin', { inputs: ['sum'], outputs: ['least'], attributes: { keepdims: { int: 0 } } })
    .node('Mul', { inputs: ['least', 'zero'], outputs: ['nothing'] })
    .node('Expand', { inputs: [from === 'loading' ? 'zero' : 'nothing', 'length'], outputs: ['zeros'] })
    .node('Gather', { inputs: ['zeros', 'first'], outputs: ['bias'] })
    .node('Add', { inputs: ['sum', 'bias'], outputs: ['y'] })
    .output('y', 'float', ['batch', 1])
    .encode();
}

/** `count` i64[1] → `y` f32[count]: as many zeros as are asked for. */
export function zerosModel(): Uint8Array {
  return new ModelBuilder('zeros')
    .input('count', 'int64', [1])
    .constant('zero', 'float', [1], [0])
    .node('Expand', { inputs: ['zero', 'count'], outputs: ['y'] })
    .output('y', 'float', ['n'])
    .encode();
}

/** `x` f32[-1,2] → `y`, which is f32[2] for one row and f32[-1,2] for more: the file cannot say of what rank. */
export function rankUnknownModel(): Uint8Array {
  return new ModelBuilder('rank-unknown')
    .input('x', 'float', ['batch', 2])
    .node('Squeeze', { inputs: ['x'], outputs: ['y'] })
    .output('y', 'float', [])
    .encode();
}

/** A model that ONNX Runtime refuses to load. */
export function unknownOperator(): Uint8Array {
  const text = Buffer.from(linearModel()).toString('latin1');
  const bytes = Buffer.from(text.replace('\x04Gemm', '\x04Gemx'), 'latin1');
  return bytes;
}
