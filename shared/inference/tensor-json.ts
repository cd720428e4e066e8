/**
 * Tensors as Open Inference Protocol JSON: `data` nested like the shape, or flat in row-major order. Numbers survive the
 * way exactly or are refused; FP16 travels in the binary form alone, as with Triton. NaN and infinity are read and written
 * as Triton does (`NaN`, `Infinity`, `-Infinity`); a missing value may be `null` on the way in.
 */
import { AppError } from '../base/app-error.ts';
import { SLICE_BYTES, type Slices } from '../base/slices.ts';
import { holdsNumber, isReal, wantedElement } from './element-range.ts';
import { checkTensorBytes, showShape, tensorValues } from './exact-values.ts';
import { JsonCursor, type JsonNumber } from './json-cursor.ts';
import type { Datatype, Tensor } from './tensor.ts';
import { elementBytes, elementCount } from './tensor-values.ts';

export interface JsonTensor extends Omit<Tensor, 'data'> {
  /** Bytes that hold the `data` list, and where in them it begins and ends. */
  readonly json: Uint8Array;
  readonly from: number;
  readonly to: number;
}

/** Reads the next element to its place; false when it is of another type or out of the datatype's range. */
type ElementReader = (cursor: JsonCursor, index: number) => boolean;

type NumberDatatype = Exclude<Datatype, 'BYTES' | 'FP16'>;

const readers: Readonly<Record<NumberDatatype, (view: DataView) => ElementReader>> = {
  BOOL: (view) => (cursor, index) => {
    const isTrue = cursor.takes('true');
    if (!isTrue && !cursor.takes('false')) return false;
    view.setUint8(index, isTrue ? 1 : 0);
    return true;
  },
  UINT8: (view) => integer('UINT8', (index, n) => view.setUint8(index, n)),
  UINT16: (view) => integer('UINT16', (index, n) => view.setUint16(index * 2, n, true)),
  UINT32: (view) => integer('UINT32', (index, n) => view.setUint32(index * 4, n, true)),
  UINT64: (view) => longInteger('UINT64', (index, n) => view.setBigUint64(index * 8, n, true)),
  INT8: (view) => integer('INT8', (index, n) => view.setInt8(index, n)),
  INT16: (view) => integer('INT16', (index, n) => view.setInt16(index * 2, n, true)),
  INT32: (view) => integer('INT32', (index, n) => view.setInt32(index * 4, n, true)),
  INT64: (view) => longInteger('INT64', (index, n) => view.setBigInt64(index * 8, n, true)),
  FP32: (view) => real('FP32', (index, n) => view.setFloat32(index * 4, n, true)),
  FP64: (view) => real('FP64', (index, n) => view.setFloat64(index * 8, n, true)),
};

/**
 * Reads a JSON tensor. Throws `tensor_invalid` or, for FP16, `tensor_type_unsupported`; what shape and bytes cannot both
 * be is refused before anything is reserved.
 */
export function* readTensorJson(tensor: JsonTensor): Slices<Tensor> {
  const { name, datatype, shape, json, from, to } = tensor;
  if (datatype === 'FP16') throw binaryOnly(`Cannot read input "${name}"`);
  const count = elementCount(shape);
  // Each element takes a byte at least.
  if (count > to - from) refuseCount(tensor, 'fewer');
  const cursor = new JsonCursor(json, from, to);
  const target =
    datatype === 'BYTES' ? stringTarget(cursor, to - from + count) : numberTarget(datatype, count);
  const list = new ElementList(tensor, cursor, target.read);
  while (!list.readTo(Math.min(to, cursor.at + SLICE_BYTES))) yield;
  return { name, datatype, shape, data: target.data() };
}

interface Target {
  readonly read: ElementReader;
  data(): Uint8Array;
}

function numberTarget(datatype: NumberDatatype, count: number): Target {
  const data = new Uint8Array(count * elementBytes(datatype)!);
  return { read: readers[datatype](new DataView(data.buffer)), data: () => data };
}

/** A quote at each end and a comma after are three bytes of JSON; a length before is four of BYTES. */
function stringTarget(cursor: JsonCursor, bytesMax: number): Target {
  const data = new Uint8Array(bytesMax);
  const view = new DataView(data.buffer);
  const isText = cursor.isUtf8();
  let at = 0;
  return {
    read: () => {
      const text = isText ? cursor.string() : undefined;
      if (text === undefined) return false;
      view.setUint32(at, text.byteLength, true);
      data.set(text, at + 4);
      at += 4 + text.byteLength;
      return true;
    },
    data: () => data.subarray(0, at),
  };
}

/** Walks the list and the lists in it. Nested, it must be so exactly as the shape says. */
class ElementList {
  readonly #tensor: JsonTensor;
  readonly #cursor: JsonCursor;
  readonly #read: ElementReader;
  readonly #count: number;
  /** Entries seen so far in each list that is open. */
  readonly #seen: number[] = [];
  /** Depth at which elements stand: 1 when flat. Known once the first bracket or element has come. */
  #elementDepth: number | undefined;
  #index = 0;
  #wants: 'entry' | 'entry or end' | 'comma or end' = 'entry';

  constructor(tensor: JsonTensor, cursor: JsonCursor, read: ElementReader) {
    this.#tensor = tensor;
    this.#cursor = cursor;
    this.#read = read;
    this.#count = elementCount(tensor.shape);
  }

  /** True when the whole list has been read, false when `limit` was reached before. */
  readTo(limit: number): boolean {
    const cursor = this.#cursor;
    do {
      const byte = cursor.peek();
      if (this.#wants === 'comma or end') {
        if (byte === 0x2c) {
          cursor.at += 1;
          this.#wants = 'entry';
          continue;
        }
        if (byte !== 0x5d) this.#refuseElement();
      }
      if (byte === 0x5d && this.#wants !== 'entry') {
        this.#close();
        if (this.#seen.length === 0) return true;
      } else if (byte === 0x5b) this.#open();
      else this.#element();
    } while (cursor.at < limit);
    if (cursor.peek() === -1) this.#refuseElement();
    return false;
  }

  #open(): void {
    const { shape } = this.#tensor;
    const depth = this.#seen.length;
    if (depth > 0) {
      if (this.#elementDepth === 1 || depth >= shape.length) refuseNesting(this.#tensor);
      this.#elementDepth ??= shape.length;
      if (this.#seen[depth - 1]! >= shape[depth - 1]!) refuseNesting(this.#tensor);
      this.#seen[depth - 1]! += 1;
    }
    this.#seen.push(0);
    this.#cursor.at += 1;
    this.#wants = 'entry or end';
  }

  #close(): void {
    const { shape } = this.#tensor;
    const entries = this.#seen.pop()!;
    const depth = this.#seen.length;
    this.#cursor.at += 1;
    this.#wants = 'comma or end';
    if (this.#elementDepth === undefined || this.#elementDepth === 1) {
      if (this.#index !== this.#count) refuseCount(this.#tensor, String(this.#index));
    } else if (entries !== shape[depth]) refuseNesting(this.#tensor);
  }

  #element(): void {
    const depth = this.#seen.length;
    this.#elementDepth ??= 1;
    if (depth !== this.#elementDepth) refuseNesting(this.#tensor);
    if (this.#index >= this.#count) refuseCount(this.#tensor, 'more');
    if (!this.#read(this.#cursor, this.#index)) this.#refuseElement();
    this.#seen[depth - 1]! += 1;
    this.#index += 1;
    this.#wants = 'comma or end';
  }

  #refuseElement(): never {
    const { name, datatype } = this.#tensor;
    const missing = isReal(datatype) ? ', or null for a missing value' : '';
    throw new AppError(
      'tensor_invalid',
      `Cannot read input "${name}": element ${this.#index} is ${this.#cursor.excerpt()}, expected ${wantedElement(datatype)}${missing}.`,
    );
  }
}

/** Elements written between two yields. */
const PART_ELEMENTS = 4_096;

/** Throws `tensor_type_unsupported` for a tensor that `tensorJsonParts` cannot write, `tensor_invalid` for a damaged one. */
export function checkJsonForm(tensor: Tensor): void {
  if (tensor.datatype === 'FP16') throw binaryOnly(`Cannot answer with output "${tensor.name}"`);
  checkTensorBytes(tensor);
}

/** The tensor's `data` as JSON text, flat, in parts. It has passed `checkJsonForm`. */
export function* tensorJsonParts(tensor: Tensor): Generator<string, void, void> {
  const { write, count } = tensor.datatype === 'BYTES' ? stringWriter(tensor) : numberWriter(tensor);
  let open = '[';
  for (let from = 0; from < count; from += PART_ELEMENTS) {
    yield `${open}${write(from, Math.min(count, from + PART_ELEMENTS))}`;
    open = ',';
  }
  yield count === 0 ? '[]' : ']';
}

/** Writes the elements from one index up to another, parted by commas. */
type PartWriter = (from: number, to: number) => string;

function numberWriter(tensor: Tensor): { readonly write: PartWriter; readonly count: number } {
  const values = tensorValues(tensor) as ArrayLike<number | bigint>;
  const show = showers[tensor.datatype] ?? String;
  return {
    count: values.length,
    write(from, to) {
      const texts = new Array<string>(to - from);
      for (let i = from; i < to; i += 1) texts[i - from] = show(values[i]!);
      return texts.join(',');
    },
  };
}

const showers: Readonly<Partial<Record<Datatype, (value: number | bigint) => string>>> = {
  BOOL: (value) => (value === 0 ? 'false' : 'true'),
  // String() is `NaN`, `Infinity` and `-Infinity` where JSON has nothing, which is what Triton writes.
  FP32: (value) => (Object.is(value, -0) ? '-0' : String(value)),
  FP64: (value) => (Object.is(value, -0) ? '-0' : String(value)),
};

function stringWriter(tensor: Tensor): { readonly write: PartWriter; readonly count: number } {
  const data = Buffer.from(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
  let at = 0;
  return {
    count: elementCount(tensor.shape),
    write(from, to) {
      const texts = new Array<string>(to - from);
      for (let i = 0; i < texts.length; i += 1) {
        const end = at + 4 + data.readUInt32LE(at);
        texts[i] = JSON.stringify(data.toString('utf8', at + 4, end));
        at = end;
      }
      return texts.join(',');
    },
  };
}

function integer(datatype: NumberDatatype, set: (index: number, value: number) => void): ElementReader {
  return (cursor, index) => {
    const start = cursor.at;
    const value = cursor.number();
    if (typeof value !== 'number' || !holdsNumber(datatype, value)) {
      cursor.at = start;
      return false;
    }
    set(index, value);
    return true;
  };
}

function longInteger(
  datatype: 'INT64' | 'UINT64',
  set: (index: number, value: bigint) => void,
): ElementReader {
  return (cursor, index) => {
    const start = cursor.at;
    const value = asBigInt(cursor.number());
    if (value === undefined || !holdsNumber(datatype, value)) {
      cursor.at = start;
      return false;
    }
    set(index, value);
    return true;
  };
}

/** Undefined for what is no integer, or was written as a fraction or power of ten that a double need not hold. */
function asBigInt(value: JsonNumber | undefined): bigint | undefined {
  if (typeof value === 'bigint') return value;
  return Number.isSafeInteger(value) ? BigInt(value!) : undefined;
}

function real(datatype: 'FP32' | 'FP64', set: (index: number, value: number) => void): ElementReader {
  return (cursor, index) => {
    const start = cursor.at;
    const read = cursor.number();
    if (read === undefined) {
      const special = readSpecial(cursor);
      if (special !== undefined) set(index, special);
      return special !== undefined;
    }
    const value = Number(read);
    // A decimal too large for a double is no infinity.
    if (!Number.isFinite(value) || !holdsNumber(datatype, value)) {
      cursor.at = start;
      return false;
    }
    set(index, value);
    return true;
  };
}

function readSpecial(cursor: JsonCursor): number | undefined {
  if (cursor.takes('NaN') || cursor.takes('null')) return Number.NaN;
  if (cursor.takes('Infinity') || cursor.takes('Inf')) return Number.POSITIVE_INFINITY;
  if (cursor.takes('-Infinity') || cursor.takes('-Inf')) return Number.NEGATIVE_INFINITY;
  return undefined;
}

function refuseCount({ name, shape }: JsonTensor, found: string): never {
  throw new AppError(
    'tensor_invalid',
    `Cannot read input "${name}": shape ${showShape(shape)} needs ${elementCount(shape)} values, found ${found}.`,
  );
}

function refuseNesting({ name, shape }: JsonTensor): never {
  throw new AppError(
    'tensor_invalid',
    `Cannot read input "${name}": the nesting of its data does not match its shape ${showShape(shape)}.`,
  );
}

function binaryOnly(action: string): AppError {
  return new AppError(
    'tensor_type_unsupported',
    `${action}: JSON cannot carry FP16. Use the binary form (parameters "binary_data_size" and "binary_data").`,
  );
}
