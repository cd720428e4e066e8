/**
 * A value as a message quotes it: the beginning of its JSON. Only what is quoted is walked, so that a refusal costs the
 * same however large the value is.
 */
import { ownValue } from './own-value.ts';

const QUOTED_MAX = 80;

export interface ExcerptOptions {
  /** Names of fields whose values are not shown. */
  readonly hidden?: RegExp;
}

/** At most 80 characters and `…`; `nothing` for undefined. Integers that JSON has no form for are quoted as text, NaN and infinity by name. */
export function excerpt(value: unknown, { hidden }: ExcerptOptions = {}): string {
  if (value === undefined) return 'nothing';
  const parts: string[] = [];
  let length = 0;
  const write = (text: string): boolean => {
    parts.push(text);
    length += text.length;
    return length <= QUOTED_MAX;
  };
  // Each step down has written a bracket, so the depth is bounded by the length.
  const walk = (part: unknown): boolean => {
    if (Array.isArray(part)) {
      if (!write('[')) return false;
      for (let i = 0; i < part.length; i += 1) {
        if ((i > 0 && !write(',')) || !walk(part[i])) return false;
      }
      return write(']');
    }
    if (part instanceof Uint8Array) return write(`${part.byteLength} bytes`);
    if (typeof part === 'object' && part !== null) {
      if (!write('{')) return false;
      let isFirst = true;
      for (const name in part) {
        if (!Object.hasOwn(part, name)) continue;
        if (!write(`${isFirst ? '' : ','}${scalarText(name)}:`)) return false;
        isFirst = false;
        const isShown = hidden?.test(name) !== true;
        if (!(isShown ? walk(ownValue(part as Record<string, unknown>, name)) : write('"not shown"')))
          return false;
      }
      return write('}');
    }
    return write(scalarText(part));
  };
  walk(value);
  const text = parts.join('');
  return text.length > QUOTED_MAX ? `${text.slice(0, QUOTED_MAX)}…` : text;
}

function scalarText(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, QUOTED_MAX + 1));
  if (typeof value === 'bigint') return `"${value}"`;
  // JSON would say null.
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  return JSON.stringify(value) ?? String(value).slice(0, QUOTED_MAX + 1);
}
