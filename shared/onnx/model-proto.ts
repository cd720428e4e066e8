/**
 * The ONNX file format as protobuf messages: the part of `onnx.proto` (ONNX 1.16, IR version 10) that modelfleet reads
 * and writes, declared by field number. A field we carry but never look into is declared as bytes, so that a model read
 * and written again keeps it.
 */
import protobuf from 'protobufjs';

/** `TensorProto.DataType` by number. */
export const elementType = {
  float: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  double: 11,
  uint32: 12,
  uint64: 13,
  uint4: 21,
  int4: 22,
} as const;

/** `AttributeProto.AttributeType` by number. */
export const attributeType = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
} as const;

export interface TensorProto {
  readonly dims: readonly number[];
  readonly data_type: number;
  readonly name: string;
  readonly raw_data?: Uint8Array;
  readonly string_data?: readonly Uint8Array[];
  readonly external_data?: readonly StringStringEntryProto[];
  readonly data_location?: number;
}

export interface SparseTensorProto {
  readonly values?: TensorProto;
  readonly indices?: TensorProto;
}

export interface AttributeProto {
  readonly name: string;
  readonly type: number;
  readonly f?: number;
  readonly i?: number;
  readonly s?: Uint8Array;
  readonly t?: TensorProto;
  readonly g?: GraphProto;
  readonly floats?: readonly number[];
  readonly ints?: readonly number[];
  readonly strings?: readonly Uint8Array[];
  readonly tensors?: readonly TensorProto[];
  readonly graphs?: readonly GraphProto[];
  readonly sparse_tensor?: SparseTensorProto;
  readonly sparse_tensors?: readonly SparseTensorProto[];
}

export interface NodeProto {
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly name: string;
  readonly op_type: string;
  readonly domain: string;
  readonly attribute: readonly AttributeProto[];
}

export interface DimensionProto {
  readonly dim_value?: number;
  readonly dim_param?: string;
}

export interface TypeProto {
  readonly tensor_type?: {
    readonly elem_type: number;
    readonly shape?: { readonly dim: readonly DimensionProto[] };
  };
  readonly sequence_type?: Uint8Array;
  readonly map_type?: Uint8Array;
  readonly sparse_tensor_type?: Uint8Array;
  readonly optional_type?: Uint8Array;
  readonly opaque_type?: Uint8Array;
}

export interface ValueInfoProto {
  readonly name: string;
  readonly type?: TypeProto;
}

export interface GraphProto {
  readonly node: readonly NodeProto[];
  readonly name: string;
  readonly initializer: readonly TensorProto[];
  readonly sparse_initializer?: readonly SparseTensorProto[];
  readonly input: readonly ValueInfoProto[];
  readonly output: readonly ValueInfoProto[];
}

export interface StringStringEntryProto {
  readonly key: string;
  readonly value: string;
}

export interface OperatorSetIdProto {
  readonly domain: string;
  readonly version: number;
}

/** An operator that the model defines itself. */
export interface FunctionProto {
  readonly name: string;
  readonly node: readonly NodeProto[];
  readonly attribute_proto?: readonly AttributeProto[];
}

export interface TrainingInfoProto {
  readonly initialization?: GraphProto;
  readonly algorithm?: GraphProto;
}

export interface ModelProto {
  readonly ir_version: number;
  readonly opset_import: readonly OperatorSetIdProto[];
  readonly producer_name: string;
  readonly producer_version: string;
  readonly graph?: GraphProto;
  readonly metadata_props: readonly StringStringEntryProto[];
  readonly training_info?: readonly TrainingInfoProto[];
  readonly functions?: readonly FunctionProto[];
}

type FieldRow = readonly [name: string, id: number, type: string, rule?: 'repeated' | 'packed'];

const messages: Readonly<Record<string, readonly FieldRow[]>> = {
  StringStringEntryProto: [
    ['key', 1, 'string'],
    ['value', 2, 'string'],
  ],
  OperatorSetIdProto: [
    ['domain', 1, 'string'],
    ['version', 2, 'int64'],
  ],
  TensorProto: [
    ['dims', 1, 'int64', 'repeated'],
    ['data_type', 2, 'int32'],
    ['segment', 3, 'bytes'],
    ['float_data', 4, 'float', 'packed'],
    ['int32_data', 5, 'int32', 'packed'],
    ['string_data', 6, 'bytes', 'repeated'],
    ['int64_data', 7, 'int64', 'packed'],
    ['name', 8, 'string'],
    ['raw_data', 9, 'bytes'],
    ['double_data', 10, 'double', 'packed'],
    ['uint64_data', 11, 'uint64', 'packed'],
    ['doc_string', 12, 'string'],
    ['external_data', 13, 'StringStringEntryProto', 'repeated'],
    ['data_location', 14, 'int32'],
  ],
  SparseTensorProto: [
    ['values', 1, 'TensorProto'],
    ['indices', 2, 'TensorProto'],
    ['dims', 3, 'int64', 'repeated'],
  ],
  AttributeProto: [
    ['name', 1, 'string'],
    ['f', 2, 'float'],
    ['i', 3, 'int64'],
    ['s', 4, 'bytes'],
    ['t', 5, 'TensorProto'],
    ['g', 6, 'GraphProto'],
    ['floats', 7, 'float', 'repeated'],
    ['ints', 8, 'int64', 'repeated'],
    ['strings', 9, 'bytes', 'repeated'],
    ['tensors', 10, 'TensorProto', 'repeated'],
    ['graphs', 11, 'GraphProto', 'repeated'],
    ['doc_string', 13, 'string'],
    ['tp', 14, 'bytes'],
    ['type_protos', 15, 'bytes', 'repeated'],
    ['type', 20, 'int32'],
    ['ref_attr_name', 21, 'string'],
    ['sparse_tensor', 22, 'SparseTensorProto'],
    ['sparse_tensors', 23, 'SparseTensorProto', 'repeated'],
  ],
  NodeProto: [
    ['input', 1, 'string', 'repeated'],
    ['output', 2, 'string', 'repeated'],
    ['name', 3, 'string'],
    ['op_type', 4, 'string'],
    ['attribute', 5, 'AttributeProto', 'repeated'],
    ['doc_string', 6, 'string'],
    ['domain', 7, 'string'],
    ['overload', 8, 'string'],
    ['metadata_props', 9, 'StringStringEntryProto', 'repeated'],
  ],
  DimensionProto: [
    ['dim_value', 1, 'int64'],
    ['dim_param', 2, 'string'],
    ['denotation', 3, 'string'],
  ],
  TensorShapeProto: [['dim', 1, 'DimensionProto', 'repeated']],
  TensorTypeProto: [
    ['elem_type', 1, 'int32'],
    ['shape', 2, 'TensorShapeProto'],
  ],
  TypeProto: [
    ['tensor_type', 1, 'TensorTypeProto'],
    ['sequence_type', 4, 'bytes'],
    ['map_type', 5, 'bytes'],
    ['denotation', 6, 'string'],
    ['opaque_type', 7, 'bytes'],
    ['sparse_tensor_type', 8, 'bytes'],
    ['optional_type', 9, 'bytes'],
  ],
  ValueInfoProto: [
    ['name', 1, 'string'],
    ['type', 2, 'TypeProto'],
    ['doc_string', 3, 'string'],
    ['metadata_props', 4, 'StringStringEntryProto', 'repeated'],
  ],
  GraphProto: [
    ['node', 1, 'NodeProto', 'repeated'],
    ['name', 2, 'string'],
    ['initializer', 5, 'TensorProto', 'repeated'],
    ['doc_string', 10, 'string'],
    ['input', 11, 'ValueInfoProto', 'repeated'],
    ['output', 12, 'ValueInfoProto', 'repeated'],
    ['value_info', 13, 'bytes', 'repeated'],
    ['quantization_annotation', 14, 'bytes', 'repeated'],
    ['sparse_initializer', 15, 'SparseTensorProto', 'repeated'],
    ['metadata_props', 16, 'StringStringEntryProto', 'repeated'],
  ],
  ModelProto: [
    ['ir_version', 1, 'int64'],
    ['producer_name', 2, 'string'],
    ['producer_version', 3, 'string'],
    ['domain', 4, 'string'],
    ['model_version', 5, 'int64'],
    ['doc_string', 6, 'string'],
    ['graph', 7, 'GraphProto'],
    ['opset_import', 8, 'OperatorSetIdProto', 'repeated'],
    ['metadata_props', 14, 'StringStringEntryProto', 'repeated'],
    ['training_info', 20, 'TrainingInfoProto', 'repeated'],
    ['functions', 25, 'FunctionProto', 'repeated'],
  ],
  TrainingInfoProto: [
    ['initialization', 1, 'GraphProto'],
    ['algorithm', 2, 'GraphProto'],
    ['initialization_binding', 3, 'StringStringEntryProto', 'repeated'],
    ['update_binding', 4, 'StringStringEntryProto', 'repeated'],
  ],
  FunctionProto: [
    ['name', 1, 'string'],
    ['input', 4, 'string', 'repeated'],
    ['output', 5, 'string', 'repeated'],
    ['attribute', 6, 'string', 'repeated'],
    ['node', 7, 'NodeProto', 'repeated'],
    ['doc_string', 8, 'string'],
    ['opset_import', 9, 'OperatorSetIdProto', 'repeated'],
    ['domain', 10, 'string'],
    ['attribute_proto', 11, 'AttributeProto', 'repeated'],
    ['value_info', 12, 'bytes', 'repeated'],
    ['overload', 13, 'string'],
    ['metadata_props', 14, 'StringStringEntryProto', 'repeated'],
  ],
};

const root = new protobuf.Root();
for (const [name, fields] of Object.entries(messages)) {
  const type = new protobuf.Type(name);
  for (const [field, id, fieldType, rule] of fields) {
    // onnx.proto is proto2: repeated numbers are packed only where it says so.
    const options = rule === undefined ? {} : { packed: rule === 'packed' };
    type.add(
      new protobuf.Field(
        field,
        id,
        fieldType,
        rule === undefined ? 'optional' : 'repeated',
        undefined,
        options,
      ),
    );
  }
  root.add(type);
}
const modelType = root.lookupType('ModelProto');

/** Decodes a model file. Throws whatever protobufjs throws on bytes that are none; read-model.ts turns that into a coded error. */
export function decodeModel(bytes: Uint8Array): ModelProto {
  const message = modelType.decode(bytes);
  return modelType.toObject(message, { longs: Number, arrays: true }) as ModelProto;
}

/** Encodes a model file. Throws TypeError for a value of the wrong kind. */
export function encodeModel(model: ModelProto): Uint8Array {
  return modelType.encode(modelType.fromObject(model)).finish();
}
