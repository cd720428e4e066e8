/**
 * CBOR as our messages use it: maps, arrays, strings, byte strings, numbers, true, false and null, of definite length.
 * Bytes from outside are walked before they are decoded: a general decoder can be made to reserve memory for an array
 * of a hundred million entries by five bytes, to multiply out a bignum of 256 KiB, or to recurse until the stack ends.
 */
import { Encoder } from 'cbor-x';
import { AppError } from './app-error.ts';

const DEPTH_MAX = 8;

const codec = new Encoder({ useRecords: false, mapsAsObjects: true, tagUint8Array: false });

/** Bytes of a plain value. Objects become maps, Uint8Array byte strings. */
export function encodeCbor(value: unknown): Uint8Array {
  // A copy: the encoder hands out views of a buffer that it shares between calls.
  return new Uint8Array(codec.encode(value));
}

/**
 * The value of CBOR bytes from outside. Throws `too_large` above `bytesMax`, `bad_input` when they are not CBOR of the
 * kind above. The value is not yet checked against any schema.
 */
export function decodeCbor(bytes: Uint8Array, what: string, bytesMax: number): unknown {
  if (bytes.byteLength > bytesMax) {
    throw new AppError(
      'too_large',
      `Cannot read ${what}: it has ${bytes.byteLength} bytes, but at most ${bytesMax} are allowed.`,
    );
  }
  const end = skipItem(bytes, 0, 0);
  if (end !== bytes.byteLength) throw notCbor(what);
  try {
    return codec.decode(bytes);
  } catch (cause) {
    throw notCbor(what, cause);
  }
}

function notCbor(what: string, cause?: unknown): AppError {
  return new AppError('bad_input', `Cannot read ${what}: it is not valid CBOR.`, { cause });
}

/** Index after the item at `at` (RFC 8949 §3), or −1 when the item is cut off, tagged, of indefinite length or too deep. */
function skipItem(bytes: Uint8Array, at: number, depth: number): number {
  if (depth > DEPTH_MAX || at >= bytes.length) return -1;
  const major = bytes[at]! >> 5;
  const info = bytes[at]! & 31;
  let next = at + 1;
  let argument = info;
  if (info >= 24) {
    if (info > 27) return -1;
    const width = 1 << (info - 24);
    if (next + width > bytes.length) return -1;
    argument = 0;
    for (let i = 0; i < width; i += 1) argument = argument * 256 + bytes[next + i]!;
    next += width;
  }
  switch (major) {
    case 0:
    case 1:
    case 7:
      return next;
    case 2:
    case 3:
      return argument <= bytes.length - next ? next + argument : -1;
    case 4:
    case 5: {
      // Each item is at least one byte, so a count above what is left is a lie, told before anything is reserved.
      const items = major === 5 ? argument * 2 : argument;
      if (items > bytes.length - next) return -1;
      for (let i = 0; i < items; i += 1) {
        next = skipItem(bytes, next, depth + 1);
        if (next < 0) return -1;
      }
      return next;
    }
    default:
      return -1;
  }
}
