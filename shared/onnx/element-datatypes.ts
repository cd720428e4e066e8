/** Which Open Inference Protocol datatype stands for which ONNX element type (`TensorProto.DataType`). */
import type { Datatype } from '../inference/tensor.ts';
import { elementType } from './model-proto.ts';

export type ElementName = keyof typeof elementType;

const DATATYPES: Readonly<Partial<Record<ElementName, Datatype>>> = {
  bool: 'BOOL',
  uint8: 'UINT8',
  uint16: 'UINT16',
  uint32: 'UINT32',
  uint64: 'UINT64',
  int8: 'INT8',
  int16: 'INT16',
  int32: 'INT32',
  int64: 'INT64',
  float16: 'FP16',
  float: 'FP32',
  double: 'FP64',
  string: 'BYTES',
};

/** Names of element types that exist (ONNX 1.20) and that we do not serve, for messages. */
const UNSERVED: Readonly<Record<number, string>> = {
  0: 'undefined',
  14: 'complex64',
  15: 'complex128',
  16: 'bfloat16',
  17: 'float8e4m3fn',
  18: 'float8e4m3fnuz',
  19: 'float8e5m2',
  20: 'float8e5m2fnuz',
  21: 'uint4',
  22: 'int4',
  23: 'float4e2m1',
  24: 'float8e8m0',
  25: 'uint2',
  26: 'int2',
};

/** Those that ONNX Runtime for Node knows by name at least: a model loads with such an output, which cannot be read. */
const LOADED: ReadonlySet<number> = new Set([elementType.uint4, elementType.int4]);

const byNumber = new Map<number, Datatype>(
  Object.entries(DATATYPES).map(([name, datatype]) => [elementType[name as ElementName], datatype]),
);

/** The datatype of an element type by its number; undefined for one we do not serve. */
export function datatypeOf(element: number): Datatype | undefined {
  return byNumber.get(element);
}

/** Whether a model loads that has an output of this element type. */
export function isLoaded(element: number): boolean {
  return byNumber.has(element) || LOADED.has(element);
}

/** The datatype constants of this element type are written as; undefined for one we do not serve. */
export function datatypeOfName(element: ElementName): Datatype | undefined {
  return DATATYPES[element];
}

/** An element type as people name it. */
export function elementText(element: number): string {
  return UNSERVED[element] ?? byNumber.get(element) ?? `number ${element}, which ONNX 1.20 has no name for`;
}
