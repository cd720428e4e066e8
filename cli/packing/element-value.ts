/** Elements of a sample's tensors: what a cell of text says as one, exactly that or nothing, and their bytes. */
import { holdsNumber } from '../../shared/inference/element-range.ts';
import { encodeStrings } from '../../shared/inference/exact-values.ts';
import type { Datatype } from '../../shared/inference/tensor.ts';
import { encodeNumbers } from '../../shared/inference/tensor-values.ts';

/** A number (BOOL as 0 and 1), a bigint for 64-bit integers, or a text. */
export type ElementValue = number | bigint | string;

/** Whether a value is an element of the datatype. */
export function fitsDatatype(datatype: Datatype, value: ElementValue): boolean {
  if (datatype === 'BYTES' || typeof value === 'string') {
    return datatype === 'BYTES' && typeof value === 'string';
  }
  return holdsNumber(datatype, value);
}

/** A tensor's bytes of values that all fit its datatype. */
export function encodeElements(datatype: Datatype, values: readonly ElementValue[]): Uint8Array {
  return datatype === 'BYTES'
    ? encodeStrings(values as readonly string[])
    : encodeNumbers(datatype, values as readonly (number | bigint)[]);
}

/** Decimal, with a point and an exponent if need be: no hexadecimal, no thousands separators, no words. */
const DECIMAL = /^(?<sign>[+-]?)(?=\.?\d)(?<whole>\d*)\.?(?<fraction>\d*)(?:e(?<exponent>[+-]?\d{1,4}))?$/i;
const SPACES = /^[ \t]+|[ \t]+$/g;
/** Digits of 2^64, and some for zeros written out. */
const EXPONENT_MAX = 40;

/** Reads a cell; undefined when it is no element of the datatype. Spaces around a number do not count; in a text they do. */
export function readCell(cell: string, datatype: Datatype): ElementValue | undefined {
  if (datatype === 'BYTES') return cell;
  const text = cell.replace(SPACES, '');
  if (datatype === 'BOOL' && /^(true|false)$/i.test(text)) return text.toLowerCase() === 'true' ? 1 : 0;
  const value = datatype.endsWith('INT64') ? readWhole(text) : readNumber(text);
  return value !== undefined && holdsNumber(datatype, value) ? value : undefined;
}

function readNumber(text: string): number | undefined {
  const value = DECIMAL.test(text) ? Number(text) : Number.NaN;
  return Number.isFinite(value) ? value : undefined;
}

/** A whole number however it is written (`17`, `17.0`, `1.7e1`), without the way through a double. */
function readWhole(text: string): bigint | undefined {
  const { sign, whole = '', fraction = '', exponent = '0' } = DECIMAL.exec(text)?.groups ?? {};
  if (sign === undefined) return undefined;
  const shift = Number(exponent) - fraction.length;
  const digits = `${whole}${fraction}`;
  if (Math.abs(shift) > EXPONENT_MAX || digits.length > 2 * EXPONENT_MAX) return undefined;
  const scale = 10n ** BigInt(Math.abs(shift));
  const value = BigInt(digits);
  if (shift < 0 && value % scale !== 0n) return undefined;
  const size = shift < 0 ? value / scale : value * scale;
  return sign === '-' ? -size : size;
}
