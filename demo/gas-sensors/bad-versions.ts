/**
 * Two ways a version goes wrong, made from a good one. Both are mistakes people make, and both models are valid ONNX:
 * nothing but running them shows the fault.
 */
import { encodeNumbers } from '../../shared/inference/tensor-values.ts';
import {
  attributeType,
  decodeModel,
  elementType,
  encodeModel,
  type GraphProto,
  type NodeProto,
  type TensorProto,
} from '../../shared/onnx/model-proto.ts';
import { channels, type Reading, temperatureColumn, withAllSensors } from './reading.ts';

const KELVIN_PER_STEP = 0.5;

/**
 * Exported without its scaler: the network gets raw readings where it learned standardised ones. Its answers are finite
 * and far off, so that it fails golden samples whose outputs come from training.
 */
export function withoutScaler(onnx: Uint8Array): Uint8Array {
  const { model, graph, input } = open(onnx);
  const [centre, scale, first, ...rest] = graph.node;
  if (centre?.op_type !== 'Sub' || scale?.op_type !== 'Div' || first?.op_type !== 'Gemm') {
    throw new Error('Cannot take the scaler out: the model does not begin with Sub, Div and Gemm.');
  }
  const raw: NodeProto = { ...first, input: [input, ...first.input.slice(1)] };
  const initializer = graph.initializer.filter(({ name }) => name !== 'mean' && name !== 'scale');
  return encodeModel({ ...model, graph: { ...graph, node: [raw, ...rest], initializer } });
}

/**
 * With a temperature compensation before the model: a table of corrections in steps of half a kelvin below the hottest
 * hour of `stretch`, made from `stretch` alone. An hour colder than all of it has no entry, and ONNX Runtime's Gather
 * fails on it. Readings of the stretch itself, golden samples among them, are answered.
 */
export function withTemperatureTable(onnx: Uint8Array, stretch: readonly Reading[]): Uint8Array {
  const { model, graph, input } = open(onnx);
  const table = correctionTable(withAllSensors(stretch));
  const node = (
    op_type: string,
    inputs: string[],
    output: string,
    attribute: NodeProto['attribute'] = [],
  ) => ({
    input: inputs,
    output: [output],
    name: `compensate_${output}`,
    op_type,
    domain: '',
    attribute,
  });
  const intAttribute = (name: string, i: number) => ({ name, type: attributeType.int, i });
  const compensation: NodeProto[] = [
    node('Gather', [input, 'temperature_column'], 'temperature', [intAttribute('axis', 1)]),
    node('Sub', ['hottest', 'temperature'], 'below_hottest'),
    node('Div', ['below_hottest', 'kelvin_per_step'], 'steps'),
    // Hotter than the table is answered by its first row; colder was forgotten.
    node('Max', ['steps', 'no_steps'], 'steps_from_top'),
    node('Cast', ['steps_from_top'], 'table_row', [intAttribute('to', elementType.int64)]),
    node('Gather', ['corrections', 'table_row'], 'correction', [intAttribute('axis', 0)]),
    node('Add', [input, 'correction'], 'compensated'),
  ];
  const constants: TensorProto[] = [
    constant('temperature_column', 'INT64', [], [temperatureColumn]),
    constant('hottest', 'FP32', [], [table.hottest]),
    constant('kelvin_per_step', 'FP32', [], [KELVIN_PER_STEP]),
    constant('no_steps', 'FP32', [], [0]),
    constant('corrections', 'FP32', [table.steps, channels.length], table.corrections),
  ];
  const rewired = graph.node.map((old) => ({
    ...old,
    input: old.input.map((name) => (name === input ? 'compensated' : name)),
  }));
  return encodeModel({
    ...model,
    graph: {
      ...graph,
      node: [...compensation, ...rewired],
      initializer: [...graph.initializer, ...constants],
    },
  });
}

interface CorrectionTable {
  readonly hottest: number;
  readonly steps: number;
  /** steps × channels, row-major: what to add to a reading at that temperature. */
  readonly corrections: Float64Array;
}

/** A twentieth of how far the channel's mean at that temperature lies from its mean over the stretch; nothing for the weather's own channels. */
function correctionTable(stretch: readonly Reading[]): CorrectionTable {
  const temperatures = stretch.map(({ sensors }) => sensors[temperatureColumn]!);
  const hottest = temperatures.reduce((a, b) => Math.max(a, b));
  const coldest = temperatures.reduce((a, b) => Math.min(a, b));
  const steps = Math.floor((hottest - coldest) / KELVIN_PER_STEP) + 1;
  const corrections = new Float64Array(steps * channels.length);
  for (let channel = 0; channel < temperatureColumn; channel += 1) {
    const all = mean(stretch.map(({ sensors }) => sensors[channel]!));
    for (let step = 0; step < steps; step += 1) {
      const here = stretch.filter(
        (_, i) => Math.floor((hottest - temperatures[i]!) / KELVIN_PER_STEP) === step,
      );
      if (here.length === 0) continue;
      corrections[step * channels.length + channel] =
        (all - mean(here.map(({ sensors }) => sensors[channel]!))) / 20;
    }
  }
  return { hottest, steps, corrections };
}

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

function constant(
  name: string,
  datatype: 'FP32' | 'INT64',
  dims: readonly number[],
  values: ArrayLike<number>,
): TensorProto {
  const element = datatype === 'FP32' ? elementType.float : elementType.int64;
  return { name, dims, data_type: element, raw_data: encodeNumbers(datatype, values) };
}

function open(onnx: Uint8Array) {
  const model = decodeModel(onnx);
  const graph = model.graph as GraphProto;
  return { model, graph, input: graph.input[0]!.name };
}
