/**
 * Reads JSON tokens straight from bytes, without making a value of each: a tensor of a million numbers becomes a million
 * numbers and not a million objects. Numbers are exact: 64-bit integers are never rounded through doubles. NaN, Infinity
 * and -Infinity are read as well, as Triton does (RapidJSON's kParseNanAndInfFlag).
 */
import { isUtf8 } from 'node:buffer';
import { stringEnd } from '../base/json-depth.ts';

/** The longest decimal that is exactly a double has 767 digits; longer texts are nobody's data. */
const NUMBER_CHARS_MAX = 1_100;
/** Integers of so many digits, and powers of ten up to this one, are exact doubles: their quotient is rounded once. */
const EXACT_DIGITS = 15;
const POWERS = Array.from({ length: 23 }, (_, power) => Number(`1e${power}`));

export type JsonNumber = number | bigint;

export class JsonCursor {
  readonly #bytes: Buffer;
  readonly #end: number;
  at: number;

  /** Reads `bytes` from `from` up to `to`. */
  constructor(bytes: Uint8Array, from: number, to: number) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = from;
    this.#end = to;
  }

  /** The next byte that is no white space; −1 at the end. */
  peek(): number {
    while (this.at < this.#end) {
      const byte = this.#bytes[this.at]!;
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return byte;
      this.at += 1;
    }
    return -1;
  }

  /** Consumes the token if it comes next. */
  takes(token: string): boolean {
    const end = this.at + token.length;
    if (end > this.#end) return false;
    for (let i = 0; i < token.length; i += 1) {
      if (this.#bytes[this.at + i] !== token.charCodeAt(i)) return false;
    }
    if (end < this.#end && isWordByte(this.#bytes[end]!)) return false;
    this.at = end;
    return true;
  }

  /**
   * The number that comes next: a bigint for an integer of more than 15 digits, which a double may not hold. Undefined
   * when none comes; the cursor then stays.
   */
  number(): JsonNumber | undefined {
    const start = this.at;
    const bytes = this.#bytes;
    const end = Math.min(this.#end, start + NUMBER_CHARS_MAX);
    let at = start;
    const isNegative = bytes[at] === 0x2d;
    if (isNegative) at += 1;
    const first = at;
    let mantissa = 0;
    let digits = 0;
    for (; at < end; at += 1) {
      const digit = bytes[at]! - 0x30;
      if (digit < 0 || digit > 9) break;
      mantissa = mantissa * 10 + digit;
      digits += 1;
    }
    // JSON has no leading zeros: "010" is 8 to some and 10 to others.
    if (digits === 0 || (digits > 1 && bytes[first] === 0x30)) return undefined;
    const isInteger = at >= end || !isFractionByte(bytes[at]!);
    if (isInteger) {
      if (!this.#endsAt(at, end)) return undefined;
      this.at = at;
      if (digits > EXACT_DIGITS) return BigInt(bytes.toString('latin1', start, at));
      return isNegative ? -mantissa : mantissa;
    }
    let scale = 0;
    if (bytes[at] === 0x2e) {
      const point = at;
      for (at += 1; at < end; at += 1) {
        const digit = bytes[at]! - 0x30;
        if (digit < 0 || digit > 9) break;
        mantissa = mantissa * 10 + digit;
      }
      const decimals = at - point - 1;
      if (decimals === 0) return undefined;
      digits += decimals;
      scale = -decimals;
    }
    if (at < end && (bytes[at]! | 0x20) === 0x65) {
      at += 1;
      const sign = bytes[at] === 0x2d ? -1 : 1;
      if (bytes[at] === 0x2d || bytes[at] === 0x2b) at += 1;
      const from = at;
      let exponent = 0;
      for (; at < end; at += 1) {
        const digit = bytes[at]! - 0x30;
        if (digit < 0 || digit > 9) break;
        exponent = Math.min(exponent * 10 + digit, 100_000);
      }
      if (at === from) return undefined;
      scale += sign * exponent;
    }
    if (!this.#endsAt(at, end)) return undefined;
    this.at = at;
    if (digits > EXACT_DIGITS || scale < -22 || scale > 22)
      return Number(bytes.toString('latin1', start, at));
    const value = scale < 0 ? mantissa / POWERS[-scale]! : mantissa * POWERS[scale]!;
    return isNegative ? -value : value;
  }

  /**
   * The string that comes next, as UTF-8; a view where nothing is escaped. Undefined when none comes, or one that UTF-8
   * cannot carry (half of a surrogate pair); the cursor then stays. The caller has checked that the bytes are UTF-8.
   */
  string(): Uint8Array | undefined {
    if (this.at >= this.#end || this.#bytes[this.at] !== 0x22) return undefined;
    const end = stringEnd(this.#bytes, this.at, this.#end);
    if (end >= this.#end) return undefined;
    const body = this.#bytes.subarray(this.at + 1, end);
    if (isPlain(body)) {
      this.at = end + 1;
      return body;
    }
    let text: string;
    try {
      text = JSON.parse(this.#bytes.toString('utf8', this.at, end + 1));
    } catch {
      return undefined;
    }
    if (!text.isWellFormed()) return undefined;
    this.at = end + 1;
    return Buffer.from(text);
  }

  /** Whether everything to be read is UTF-8. */
  isUtf8(): boolean {
    return isUtf8(this.#bytes.subarray(this.at, this.#end));
  }

  /** What comes next, as a message quotes it. */
  excerpt(): string {
    const text = this.#bytes.toString('utf8', this.at, Math.min(this.#end, this.at + 80));
    return /^("(?:[^"\\]|\\.)*"|[^",\]}\s]+)/.exec(text)?.[0] ?? (text === '' ? 'nothing' : `${text}…`);
  }

  #endsAt(at: number, end: number): boolean {
    if (at >= end) return at === this.#end;
    return !isWordByte(this.#bytes[at]!);
  }
}

/** Whether the bytes between two quotes are the text itself. */
function isPlain(bytes: Uint8Array): boolean {
  for (const byte of bytes) {
    if (byte < 0x20 || byte === 0x5c) return false;
  }
  return true;
}

function isFractionByte(byte: number): boolean {
  return byte === 0x2e || (byte | 0x20) === 0x65;
}

function isWordByte(byte: number): boolean {
  return (
    (byte >= 0x30 && byte <= 0x39) ||
    ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a) ||
    byte === 0x2e ||
    byte === 0x5f
  );
}
