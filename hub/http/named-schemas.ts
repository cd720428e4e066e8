/**
 * Schemas with an `$id` stand once in the API's description, under `components/schemas`, and are referred to from there on. The routes keep
 * them whole: what a request is checked against needs no look-up.
 */
import { ownValue } from '../../shared/base/own-value.ts';

type Node = Record<string, unknown>;

/** @fastify/swagger gives schemas with an `$id` numbers for names: this keeps theirs until `hoistNamed`. */
const MARK = 'x-modelfleet-schema';

/** A copy in which each `$id` is marked, and fields with a default are not required: nobody has to send them. */
export function markNamed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(markNamed);
  if (!isNode(schema)) return schema;
  const copy: Node = {};
  for (const [key, value] of Object.entries(schema)) {
    if (key === '$id') copy[MARK] = value;
    else if (key === 'properties' && isNode(value)) copy[key] = mapValues(value, markNamed);
    else if (key === 'required' && Array.isArray(value)) {
      const required = value.filter((name) => !hasDefault(schema, name as string));
      if (required.length > 0) copy[key] = required;
    } else if (key === 'default' || key === 'const' || key === 'enum') copy[key] = value;
    else copy[key] = markNamed(value);
  }
  return copy;
}

/** Moves every marked schema of `document` into its components. Throws when two differ that have one name: a defect. */
export function hoistNamed(document: Node): Node {
  const found = new Map<string, unknown>();
  const visit = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(visit);
    if (!isNode(value)) return value;
    const { [MARK]: name, ...rest } = value;
    const visited = mapValues(rest, visit);
    if (typeof name !== 'string') return visited;
    const before = found.get(name);
    if (before !== undefined && JSON.stringify(before) !== JSON.stringify(visited)) {
      throw new Error(`Two different schemas have the $id "${name}".`);
    }
    found.set(name, visited);
    return { $ref: `#/components/schemas/${name}` };
  };
  const visited = visit(document) as Node & { components: { schemas?: Node } };
  const schemas = Object.fromEntries([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
  visited.components = { ...visited.components, schemas: { ...visited.components.schemas, ...schemas } };
  return visited;
}

function hasDefault({ properties }: Node, name: string): boolean {
  const field = isNode(properties) ? ownValue(properties, name) : undefined;
  return isNode(field) && Object.hasOwn(field, 'default');
}

function mapValues(node: Node, change: (value: unknown) => unknown): Node {
  return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, change(value)]));
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
