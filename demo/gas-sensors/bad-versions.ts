/**
 * Two ways a version goes wrong, made from a good one. Both are mistakes people make, and both models are valid ONNX:
 * nothing but running them shows the fault.
 */
import { decodeModel, encodeModel, type GraphProto, type NodeProto } from '../../shared/onnx/model-proto.ts';
import type { Reading } from './reading.ts';
import { coarseTable, withTable } from './temperature-table.ts';

/**
 * Exported without its scaler: the network gets raw readings where it learned standardised ones. Its answers are finite
 * and far off, so that it fails golden samples whose outputs come from training.
 */
export function withoutScaler(onnx: Uint8Array): Uint8Array {
  const model = decodeModel(onnx);
  const graph = model.graph as GraphProto;
  const [centre, scale, first, ...rest] = graph.node;
  if (centre?.op_type !== 'Sub' || scale?.op_type !== 'Div' || first?.op_type !== 'Gemm') {
    throw new Error('Cannot take the scaler out: the model does not begin with Sub, Div and Gemm.');
  }
  const raw: NodeProto = { ...first, input: [graph.input[0]!.name, ...first.input.slice(1)] };
  const initializer = graph.initializer.filter(({ name }) => name !== 'mean' && name !== 'scale');
  return encodeModel({ ...model, graph: { ...graph, node: [raw, ...rest], initializer } });
}

/**
 * With a temperature compensation made from `stretch` alone and open at its cold end: an hour colder than all of the stretch has
 * no entry. Readings of the stretch itself, golden samples among them, are answered.
 */
export function withTemperatureTable(onnx: Uint8Array, stretch: readonly Reading[]): Uint8Array {
  return withTable(onnx, coarseTable(stretch), false);
}
