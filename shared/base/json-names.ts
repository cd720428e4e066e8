/**
 * Looks at the names of fields in JSON bytes before they are decoded: a decoded value no longer tells that one was given twice,
 * and each name costs whoever decodes it more than any other few bytes do.
 */
import { stringEnd } from './json-depth.ts';
import { limits } from './limits.ts';
import { shorten } from './safe-text.ts';

const NAME_CHARS_SHOWN = 100;

export interface NamesFault {
  readonly text: string;
  /** More names than any request has: whoever decodes these bytes pays for each. */
  readonly isTooMany: boolean;
}

/**
 * What is wrong with the names in these bytes: that they are too many, before all else; undefined when nothing is. Says nothing of whether
 * the bytes are JSON.
 */
export function faultOfNames(bytes: Uint8Array): NamesFault | undefined {
  /** Names of each object that is open; of a list, none. */
  const open: Set<string>[] = [];
  let quoted = { from: 0, to: 0 };
  let count = 0;
  let fault: NamesFault | undefined;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at]!;
    if (byte === 0x22) {
      const end = stringEnd(bytes, at);
      quoted = { from: at, to: end + 1 };
      at = end;
    } else if ((byte | 0x20) === 0x7b) open.push(new Set());
    else if ((byte | 0x20) === 0x7d) open.pop();
    else if (byte === 0x3a) {
      const name = nameOf(bytes.subarray(quoted.from, quoted.to));
      const names = open.at(-1);
      count += 1;
      if (count > limits.requestNamesMax) {
        return { text: `it has more than ${limits.requestNamesMax} fields`, isTooMany: true };
      }
      if (name === undefined || names === undefined) continue;
      fault ??= faultOfName(name, names);
      names.add(name);
    }
  }
  return fault;
}

function faultOfName(name: string, names: ReadonlySet<string>): NamesFault | undefined {
  // Copied by assignment, a field of this name would change what an object inherits.
  if (name === '__proto__')
    return { text: '"__proto__" is not allowed as the name of a field', isTooMany: false };
  if (!names.has(name)) return undefined;
  const shown = JSON.stringify(shorten(name, NAME_CHARS_SHOWN));
  return { text: `${shown} is given twice`, isTooMany: false };
}

const decoder = new TextDecoder();

function nameOf(quoted: Uint8Array): string | undefined {
  try {
    return String(JSON.parse(decoder.decode(quoted)));
  } catch {
    return undefined;
  }
}
