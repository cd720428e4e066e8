/** Messages in fewer bytes (zlib, RFC 1950). No CBOR map begins as zlib data does, so that a reader takes both. */
import { constants, deflateSync, inflateSync } from 'node:zlib';
import { AppError } from '../shared/base/app-error.ts';

/** First byte of zlib data with a window of 32 KiB; in CBOR it begins a text string. */
const ZLIB = 0x78;

/** `bytes`, of a CBOR map, or less than them: what grows is left as it is. */
export function deflated(bytes: Uint8Array): Uint8Array {
  const smaller = deflateSync(bytes, { level: constants.Z_BEST_COMPRESSION });
  return smaller.byteLength < bytes.byteLength ? smaller : bytes;
}

/**
 * What `deflated` was given. Untrusted: throws `too_large` when more than `bytesMax` come out, before they do, and `bad_input` for bytes that
 * are not zlib's or go on after them.
 */
export function inflated(bytes: Uint8Array, what: string, bytesMax: number): Uint8Array {
  if (bytes[0] !== ZLIB) return bytes;
  try {
    const { buffer, engine } = inflateSync(bytes, { maxOutputLength: bytesMax, info: true }) as unknown as {
      readonly buffer: Uint8Array;
      readonly engine: { readonly bytesWritten: number };
    };
    if (engine.bytesWritten === bytes.byteLength) return buffer;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      throw new AppError('too_large', `Cannot read ${what}: it inflates to more than ${bytesMax} bytes.`);
    }
    throw new AppError('bad_input', `Cannot read ${what}: it is not valid zlib data.`, { cause });
  }
  throw new AppError('bad_input', `Cannot read ${what}: bytes follow its zlib data.`);
}
