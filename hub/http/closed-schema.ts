/**
 * Requests are closed: a field or query parameter that no schema names is refused, because who sent it meant something by
 * it. Features write their schemas as usual; objects that must stay open (what devices send, so that a newer agent can
 * talk to an older hub) say `additionalProperties: true`.
 */
import type { RouteOptions } from 'fastify';
import { type TSchema, Type } from 'typebox';

interface Node extends TSchema {
  readonly properties?: Readonly<Record<string, TSchema>>;
  /** Of a map: what its values are, by what its keys look like. */
  readonly patternProperties?: Readonly<Record<string, TSchema>>;
  readonly additionalProperties?: boolean | TSchema;
  readonly items?: TSchema | readonly TSchema[];
  readonly anyOf?: readonly TSchema[];
}

/** Ways to say what fits beside those above: what they let through, nobody closes. */
const unclosable = ['allOf', 'oneOf', 'not', 'if', '$ref', 'unevaluatedProperties'] as const;

const nothing = Type.Object({}, { additionalProperties: false });

/**
 * Closes what `route` takes. A route without a schema of its query takes none; without one of its body it takes none or an empty
 * object, which clients send where they always send one. Both are in `/openapi.json`.
 */
export function closeRequest(route: RouteOptions): void {
  const { querystring, body, ...rest } = route.schema ?? {};
  const takesBody = [route.method].flat().some((method) => method !== 'GET' && method !== 'HEAD');
  route.schema = {
    ...rest,
    querystring: querystring === undefined ? nothing : closed(querystring as TSchema),
    ...(takesBody
      ? { body: body === undefined ? Type.Union([Type.Null(), nothing]) : closed(body as TSchema) }
      : {}),
  };
}

/** The same schema, closed to unknown fields at any depth. Throws where one cannot be closed, which is a defect. */
export function closed<T extends TSchema>(schema: T): T {
  const open = unclosable.find((keyword) => Object.hasOwn(schema, keyword));
  if (open) throw new Error(`A schema with "${open}" cannot be closed: write its fields into one object.`);
  const { properties, patternProperties, additionalProperties, items, anyOf } = schema as Node;
  const isObject = properties ?? patternProperties ?? (schema as { type?: unknown }).type === 'object';
  return changed(schema, {
    // A map says what its keys look like; TypeBox lets the others pass with any value.
    ...(isObject && { additionalProperties: closedRest(additionalProperties) }),
    ...(properties && { properties: closedFields(properties) }),
    ...(patternProperties && { patternProperties: closedFields(patternProperties) }),
    ...(items && { items: isList(items) ? items.map(closed) : closed(items) }),
    ...(anyOf && { anyOf: anyOf.map(closed) }),
  });
}

/** Whoever writes `true` has to: what devices send. */
function closedRest(additionalProperties: Node['additionalProperties'] = false): boolean | TSchema {
  return typeof additionalProperties === 'object' ? closed(additionalProperties) : additionalProperties;
}

function closedFields(fields: Readonly<Record<string, TSchema>>) {
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, closed(field)]));
}

function isList(items: TSchema | readonly TSchema[]): items is readonly TSchema[] {
  return Array.isArray(items);
}

/** TypeBox keeps what kind a schema is in fields that are not enumerable. */
function changed<T extends TSchema>(schema: T, values: object): T {
  const copy: object = Object.defineProperties({}, Object.getOwnPropertyDescriptors(schema));
  return Object.assign(copy, values) as T;
}
