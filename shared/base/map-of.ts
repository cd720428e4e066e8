/**
 * Schema of an object used as a map. `Type.Record` alone lets a key that does not fit its pattern (for plain strings: one
 * with a line break) pass with any value, and does not look at the length of keys.
 */
import { type TSchema, Type } from 'typebox';

/** Up to 256 characters, none of them a control character. */
const PLAIN = '^[^\\x00-\\x1f\\x7f]{1,256}$';

export interface MapOptions {
  readonly entriesMax: number;
  /** What keys look like, anchored. */
  readonly keys?: string;
}

export function mapOf<T extends TSchema>(value: T, { entriesMax, keys = PLAIN }: MapOptions) {
  return Type.Record(Type.String({ pattern: keys }), value, {
    maxProperties: entriesMax,
    additionalProperties: false,
  });
}
