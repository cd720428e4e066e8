/**
 * Looks at JSON bytes before they are decoded. What walks a decoded value may recurse; whoever can send brackets must not
 * choose how deep.
 */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Whether brackets are open `depthMax` deep at most. Says nothing of whether the bytes are JSON. */
export function isJsonShallow(bytes: Uint8Array, depthMax: number): boolean {
  let depth = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at]!;
    if (byte === QUOTE) at = stringEnd(bytes, at);
    // '[' and '{', ']' and '}' differ from each other in one bit.
    else if ((byte | 0x20) === 0x7b) {
      depth += 1;
      if (depth > depthMax) return false;
    } else if ((byte | 0x20) === 0x7d) depth -= 1;
  }
  return true;
}

/** Index of the quote that ends the string that begins at `at`; `to` or more when none does before it. */
export function stringEnd(bytes: Uint8Array, at: number, to = bytes.length): number {
  let end = at + 1;
  while (end < to && bytes[end] !== QUOTE) end += bytes[end] === BACKSLASH ? 2 : 1;
  return end;
}
