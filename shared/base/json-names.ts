/** Looks at the names of fields in JSON bytes: a decoded value no longer tells that one was given twice. */
import { stringEnd } from './json-depth.ts';
import { shorten } from './safe-text.ts';

const NAME_CHARS_SHOWN = 100;

/** What is wrong with a name in these bytes, which are JSON; undefined when nothing is. */
export function faultOfNames(bytes: Uint8Array): string | undefined {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  /** Names of each object that is open; of a list, none. */
  const open: Set<string>[] = [];
  let quoted = { from: 0, to: 0 };
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at]!;
    if (byte === 0x22) {
      const end = stringEnd(bytes, at);
      quoted = { from: at, to: end + 1 };
      at = end;
    } else if ((byte | 0x20) === 0x7b) open.push(new Set());
    else if ((byte | 0x20) === 0x7d) open.pop();
    else if (byte === 0x3a) {
      const name: string = JSON.parse(text.toString('utf8', quoted.from, quoted.to));
      // Copied by assignment, a field of this name would change what an object inherits.
      if (name === '__proto__') return '"__proto__" is no name of a field';
      const names = open.at(-1)!;
      if (names.has(name)) return `${JSON.stringify(shorten(name, NAME_CHARS_SHOWN))} is given twice`;
      names.add(name);
    }
  }
  return undefined;
}
