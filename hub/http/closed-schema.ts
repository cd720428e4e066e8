/**
 * Requests are closed: a field or query parameter that no schema names is refused, because who sent it meant something by
 * it. Features write their schemas as usual; objects that must stay open (what devices send, so that a newer agent can
 * talk to an older hub) say `additionalProperties: true`.
 */
import type { RouteOptions } from 'fastify';
import { type TSchema, Type } from 'typebox';

interface Node extends TSchema {
  readonly properties?: Readonly<Record<string, TSchema>>;
  readonly items?: TSchema;
  readonly anyOf?: readonly TSchema[];
  readonly allOf?: readonly TSchema[];
}

const nothing = Type.Object({}, { additionalProperties: false });

/** Closes what `route` takes. A route without a schema of its query or body takes none. Both are in `/openapi.json`. */
export function closeRequest(route: RouteOptions): void {
  const { querystring, body, ...rest } = route.schema ?? {};
  const takesBody = [route.method].flat().some((method) => method !== 'GET' && method !== 'HEAD');
  route.schema = {
    ...rest,
    querystring: querystring === undefined ? nothing : closed(querystring as TSchema),
    ...(takesBody ? { body: body === undefined ? Type.Null() : closed(body as TSchema) } : {}),
  };
}

/** The same schema without room for unknown fields, at any depth. Throws where one cannot be closed, which is a defect. */
export function closed<T extends TSchema>(schema: T): T {
  const { properties, items, anyOf, allOf } = schema as Node;
  if (allOf)
    throw new Error('A schema that intersects others cannot be closed: write its fields into one object.');
  if (properties) {
    const fields = Object.fromEntries(
      Object.entries(properties).map(([name, field]) => [name, closed(field)]),
    );
    return changed(schema, { additionalProperties: false, ...schema, properties: fields });
  }
  if (items) return changed(schema, { items: closed(items) });
  if (anyOf) return changed(schema, { anyOf: anyOf.map(closed) });
  return schema;
}

/** TypeBox keeps what kind a schema is in fields that are not enumerable. */
function changed<T extends TSchema>(schema: T, values: object): T {
  const copy: object = Object.defineProperties({}, Object.getOwnPropertyDescriptors(schema));
  return Object.assign(copy, values) as T;
}
