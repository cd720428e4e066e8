/** Holds an answer of the hub against its description. */
import type { TSchema } from 'typebox';
import { Value } from 'typebox/value';
import type { Operation, Schema } from './described-api.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the hub answers.
  readonly json: any;
}

/** What an answer has that its operation does not describe; empty when it conforms. */
export function nonconformities({ operationId, method, responses }: Operation, answer: Answer): string[] {
  const found: string[] = [];
  const say = (what: string) =>
    found.push(`${operationId} answered ${answer.status}: ${what} ${answer.text.slice(0, 300)}`);
  const described = responses[String(answer.status)];
  if (!described)
    return [`${operationId} answered ${answer.status}, which is not described: ${answer.text.slice(0, 300)}`];
  const type = answer.headers['content-type']?.split(';')[0];
  const wanted = Object.entries(described.content ?? {});
  if (wanted.length === 0) {
    if (answer.text !== '') say('a body where none is described');
    return found;
  }
  const schema = wanted.find(([one]) => one === type)?.[1].schema;
  if (!schema) say(`content type "${type}" is not described`);
  else if (answer.json !== undefined && !Value.Check(strict(schema) as TSchema, answer.json)) {
    say(
      `the body is not of its schema: ${JSON.stringify([...Value.Errors(strict(schema) as TSchema, answer.json)].slice(0, 3))}`,
    );
  }
  for (const [name, { schema: headerSchema, required }] of Object.entries(described.headers ?? {})) {
    const value = answer.headers[name.toLowerCase()];
    if (value === undefined) {
      if (required) say(`header ${name} is missing`);
      continue;
    }
    const read = headerSchema.type === 'integer' ? Number(value) : value;
    if (!Value.Check(headerSchema as TSchema, read)) say(`header ${name}: "${value}" is not of its schema`);
  }
  if (answer.status === 201 && method === 'POST' && !answer.headers['location']) say('no Location');
  return found;
}

/** Fields that a schema does not name are errors: an answer has nothing that is not described. */
function strict(schema: Schema): Schema {
  const { properties, items, anyOf, allOf, additionalProperties } = schema;
  if (allOf) {
    const whole = merged(allOf);
    return whole ? strict(whole) : schema;
  }
  return {
    ...schema,
    ...(properties && {
      properties: Object.fromEntries(Object.entries(properties).map(([name, one]) => [name, strict(one)])),
    }),
    ...(properties && additionalProperties === undefined ? { additionalProperties: false } : {}),
    ...(items && { items: strict(items) }),
    ...(anyOf && { anyOf: anyOf.map(strict) }),
  };
}

/** The parts of an intersection of objects as one object, for each part names some of the fields only; undefined for others. */
function merged(parts: readonly Schema[]): Schema | undefined {
  const objects = parts.map((part) => (part.allOf ? merged(part.allOf) : part));
  if (objects.some((one) => one?.properties === undefined)) return undefined;
  return {
    type: 'object',
    properties: Object.assign({}, ...objects.map((one) => one?.properties)),
    required: objects.flatMap((one) => one?.required ?? []),
  };
}
