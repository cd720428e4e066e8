/**
 * A temperature compensation put before a model, as a graph of its own operators: a table of corrections, one row for each step of
 * temperature below the hottest, added to the reading. What the table is made from decides whether it is right.
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

export interface TemperatureTable {
  /** Temperature of the first row, °C. */
  readonly hottest: number;
  readonly kelvinPerStep: number;
  readonly steps: number;
  /** steps × channels, row-major: what to add to a reading at that temperature. */
  readonly corrections: Float64Array;
}

const COARSE_KELVIN = 0.5;

/**
 * Half-kelvin steps over the temperatures of `stretch`. A row is a twentieth of how far each gas channel's mean at that temperature lies
 * from its mean over the stretch; the weather's own channels are left as they are.
 */
export function coarseTable(stretch: readonly Reading[]): TemperatureTable {
  const complete = withAllSensors(stretch);
  const temperatures = complete.map(({ sensors }) => sensors[temperatureColumn]!);
  const hottest = temperatures.reduce((a, b) => Math.max(a, b));
  const coldest = temperatures.reduce((a, b) => Math.min(a, b));
  const steps = Math.floor((hottest - coldest) / COARSE_KELVIN) + 1;
  const corrections = new Float64Array(steps * channels.length);
  for (let channel = 0; channel < temperatureColumn; channel += 1) {
    const all = mean(complete.map(({ sensors }) => sensors[channel]!));
    for (let step = 0; step < steps; step += 1) {
      const here = complete.filter(
        (_, i) => Math.floor((hottest - temperatures[i]!) / COARSE_KELVIN) === step,
      );
      if (here.length === 0) continue;
      corrections[step * channels.length + channel] =
        (all - mean(here.map(({ sensors }) => sensors[channel]!))) / 20;
    }
  }
  return { hottest, kelvinPerStep: COARSE_KELVIN, steps, corrections };
}

/** The same table in finer steps, straight lines between the coarse ones: `bytes` of them, as a device would have it that must not compute. */
export function fineTable(coarse: TemperatureTable, bytes: number): TemperatureTable {
  const width = channels.length;
  const steps = Math.floor(bytes / (width * Float32Array.BYTES_PER_ELEMENT));
  const corrections = new Float64Array(steps * width);
  for (let step = 0; step < steps; step += 1) {
    const at = (step * (coarse.steps - 1)) / (steps - 1);
    const below = Math.floor(at);
    const above = Math.min(coarse.steps - 1, below + 1);
    for (let channel = 0; channel < width; channel += 1) {
      const [a, b] = [
        coarse.corrections[below * width + channel]!,
        coarse.corrections[above * width + channel]!,
      ];
      corrections[step * width + channel] = a + (b - a) * (at - below);
    }
  }
  const range = coarse.kelvinPerStep * (coarse.steps - 1);
  return { hottest: coarse.hottest, kelvinPerStep: range / (steps - 1), steps, corrections };
}

/**
 * Puts `table` before the model. Hotter than the table is answered by its first row. Colder is answered by its last when
 * `isClosed`; otherwise it has no row, and ONNX Runtime's Gather fails on it.
 */
export function withTable(onnx: Uint8Array, table: TemperatureTable, isClosed: boolean): Uint8Array {
  const model = decodeModel(onnx);
  const graph = model.graph as GraphProto;
  const input = graph.input[0]!.name;
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
    node('Max', ['steps', 'no_steps'], 'steps_from_top'),
    isClosed
      ? node('Min', ['steps_from_top', 'last_step'], 'steps_in_table')
      : node('Identity', ['steps_from_top'], 'steps_in_table'),
    node('Cast', ['steps_in_table'], 'table_row', [intAttribute('to', elementType.int64)]),
    node('Gather', ['corrections', 'table_row'], 'correction', [intAttribute('axis', 0)]),
    node('Add', [input, 'correction'], 'compensated'),
  ];
  const constants: TensorProto[] = [
    constant('temperature_column', 'INT64', [], [temperatureColumn]),
    constant('hottest', 'FP32', [], [table.hottest]),
    constant('kelvin_per_step', 'FP32', [], [table.kelvinPerStep]),
    constant('no_steps', 'FP32', [], [0]),
    ...(isClosed ? [constant('last_step', 'FP32', [], [table.steps - 1])] : []),
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
