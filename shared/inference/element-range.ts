/**
 * What one element of a datatype can be. Packing and serving both ask here: a value that is refused in a request is
 * refused in a sample, and neither wraps round or becomes infinite.
 */
import type { Datatype } from './tensor.ts';

type NumericDatatype = Exclude<Datatype, 'BYTES'>;

interface Range {
  readonly min: number | bigint;
  readonly max: number | bigint;
}

const wholeOf = (bits: number): Range => ({ min: 0, max: 2 ** bits - 1 });
const signedOf = (bits: number): Range => ({ min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 });
const within = (max: number): Range => ({ min: -max, max });

const RANGES: Readonly<Record<NumericDatatype, Range>> = {
  BOOL: { min: 0, max: 1 },
  UINT8: wholeOf(8),
  UINT16: wholeOf(16),
  UINT32: wholeOf(32),
  UINT64: { min: 0n, max: 2n ** 64n - 1n },
  INT8: signedOf(8),
  INT16: signedOf(16),
  INT32: signedOf(32),
  INT64: { min: -(2n ** 63n), max: 2n ** 63n - 1n },
  FP16: within(65_504),
  FP32: within(3.4028234663852886e38),
  FP64: within(Number.MAX_VALUE),
};

export function isReal(datatype: Datatype): boolean {
  return datatype.startsWith('FP');
}

/**
 * Whether the datatype holds `value`: whole and in range for integers, 0 or 1 for BOOL, in range for reals, which are
 * rounded to the nearest. NaN and the infinities are reals.
 */
export function holdsNumber(datatype: NumericDatatype, value: number | bigint): boolean {
  const { min, max } = RANGES[datatype];
  if (isReal(datatype)) return !Number.isFinite(Number(value)) || (value >= min && value <= max);
  return (typeof value === 'bigint' || Number.isInteger(value)) && value >= min && value <= max;
}

/** What is wanted of an element, for messages. */
export function wantedElement(datatype: Datatype): string {
  if (datatype === 'BYTES') return 'a text';
  if (datatype === 'BOOL') return 'true or false';
  const { min, max } = RANGES[datatype];
  return isReal(datatype)
    ? `a number within ±${max} (${datatype})`
    : `a whole number from ${min} to ${max} (${datatype})`;
}
