/**
 * Text that is Unicode: JSON can write half of a surrogate pair (`\ud83d`), as a program does that cuts a text inside an emoji. No
 * such half can be signed, hashed or written as UTF-8. Pure.
 */

/** The JSON value, with U+FFFD for each half of a pair in its texts and names. */
export function wellFormed<Value>(value: Value): Value {
  return mended(value) as Value;
}

function mended(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed();
  if (Array.isArray(value)) return value.map(mended);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name.toWellFormed(), mended(one)]));
}
