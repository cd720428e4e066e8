/**
 * A tensor as it travels between the parts: Open Inference Protocol name and datatype, row-major shape, and raw
 * little-endian bytes. BOOL is one byte an element; BYTES elements are a uint32 length followed by the bytes
 * (Open Inference Protocol, binary tensor data extension).
 */
import { type Static, Type } from 'typebox';
import { limits } from '../base/limits.ts';

export const datatypes = [
  'BOOL',
  'UINT8',
  'UINT16',
  'UINT32',
  'UINT64',
  'INT8',
  'INT16',
  'INT32',
  'INT64',
  'FP16',
  'FP32',
  'FP64',
  'BYTES',
] as const;

export const Datatype = Type.Enum([...datatypes]);
export type Datatype = (typeof datatypes)[number];

export interface Tensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** What a model declares of one input or output; −1 marks a dimension that may vary. */
export const TensorSpec = Type.Object({
  name: Type.String({ minLength: 1, maxLength: 256 }),
  datatype: Datatype,
  shape: Type.Array(Type.Integer({ minimum: -1 }), { maxItems: limits.tensorRankMax }),
});
export type TensorSpec = Static<typeof TensorSpec>;
