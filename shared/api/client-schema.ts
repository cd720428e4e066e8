/**
 * How a program reads the answers of a hub that may be newer than itself. The hub's own tests check answers by the schemas as they
 * are; a client checks them by `clientSchema` of them: fields that it does not know are kept, and of an enumeration it takes values
 * that it does not know. A field that is added to an answer later is optional, because an older hub leaves it out.
 */
import type { TSchema } from 'typebox';

type Node = Readonly<Record<string, unknown>>;

/**
 * A copy of `schema` that takes what a newer hub may add. Its type stays that of the schema: a value of an enumeration may be one
 * that this program does not know, so programs show such a value or compare it with those that they know, and nothing else.
 */
export function clientSchema<T extends TSchema>(schema: T): T {
  return opened(schema) as T;
}

function opened(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(opened);
  if (typeof value !== 'object' || value === null) return value;
  const { enum: values, anyOf, ...rest } = value as Node;
  if (isEnumeration(values, anyOf)) return { ...rest, type: 'string' };
  const entries = Object.entries(value).filter(
    ([key, part]) => !(key === 'additionalProperties' && part === false),
  );
  return Object.fromEntries(
    entries.map(([key, part]) => [key, key === 'const' || key === 'default' ? part : opened(part)]),
  );
}

/** Of texts. One literal alone tells the forms of a union apart, and stays. */
function isEnumeration(values: unknown, anyOf: unknown): boolean {
  if (Array.isArray(values)) return values.every((value) => typeof value === 'string');
  return Array.isArray(anyOf) && anyOf.every((form: Node) => typeof form['const'] === 'string');
}
