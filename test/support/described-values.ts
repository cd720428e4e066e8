/** Random values of schemas of the API's description, and bodies that break them. */
import fc from 'fast-check';
import type { Schema } from './described-api.ts';

/** Schemas of parameters are checked by these; long texts and lists prove nothing more. */
const CHARS_MAX = 40;
const ITEMS_MAX = 3;

/** Values of a schema. */
export function valid(schema: Schema): fc.Arbitrary<unknown> {
  const { type, anyOf, allOf, enum: values, const: constant, properties, items } = schema;
  if (constant !== undefined) return fc.constant(constant);
  if (values) return fc.constantFrom(...values);
  if (anyOf) return fc.oneof(...anyOf.map(valid));
  if (allOf) {
    return fc.tuple(...allOf.map(valid)).map((parts) => Object.assign({}, ...(parts as object[])));
  }
  if (properties || type === 'object') return objectOf(schema);
  switch (type) {
    case 'string':
      return textOf(schema);
    case 'integer':
      return fc.integer({ min: schema.minimum ?? 0, max: Math.min(schema.maximum ?? 2 ** 31, 2 ** 31) });
    case 'number':
      return fc.double({ min: schema.minimum ?? 0, max: schema.maximum ?? 1_000, noNaN: true });
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'array':
      return fc.array(valid(items ?? {}), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.max(schema.minItems ?? 0, ITEMS_MAX),
      });
    default:
      return fc.json().map((text) => JSON.parse(text));
  }
}

function objectOf({ properties = {}, required = [] }: Schema): fc.Arbitrary<unknown> {
  const fields = Object.fromEntries(Object.entries(properties).map(([name, one]) => [name, valid(one)]));
  return fc.record(fields, { requiredKeys: required.filter((name) => Object.hasOwn(fields, name)) });
}

function textOf({ pattern, minLength = 0, maxLength = 512 }: Schema): fc.Arbitrary<string> {
  const longest = Math.max(minLength, Math.min(maxLength, CHARS_MAX));
  if (pattern === undefined) return fc.string({ minLength, maxLength: longest });
  // What looks ahead forbids texts that are rare among the others.
  const matching = fc.stringMatching(new RegExp(pattern.replaceAll(/\(\?!.*?\)(?=\[)/g, '')));
  return matching.filter(
    (text) => text.length >= minLength && text.length <= maxLength && new RegExp(pattern).test(text),
  );
}

/** A body that breaks the schema: a field too many, one of another type, one too few, or no object at all. */
export function broken(schema: Schema): fc.Arbitrary<unknown> {
  const { properties = {}, required = [] } = schema;
  const names = Object.keys(properties);
  const object = valid(schema) as fc.Arbitrary<Record<string, unknown>>;
  const ways: fc.Arbitrary<unknown>[] = [fc.constant([1]), fc.constant('text')];
  if (schema.properties) ways.push(object.map((body) => ({ ...body, 'no such field': 1 })));
  if (names.length > 0) {
    ways.push(
      fc.tuple(object, fc.constantFrom(...names)).map(([body, name]) => ({ ...body, [name]: { deep: [] } })),
    );
  }
  if (required.length > 0) {
    ways.push(
      fc.tuple(object, fc.constantFrom(...required)).map(([body, name]) => {
        const { [name]: _left, ...rest } = body;
        return rest;
      }),
    );
  }
  return fc.oneof(...ways);
}
