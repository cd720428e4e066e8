/** The operations of a hub as its `/openapi.json` describes them, with every reference resolved. */

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface Schema {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly default?: unknown;
}

export interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required?: boolean;
  readonly schema: Schema;
}

export interface DescribedResponse {
  readonly headers?: Readonly<Record<string, { readonly schema: Schema; readonly required?: boolean }>>;
  readonly content?: Readonly<Record<string, { readonly schema: Schema }>>;
}

export interface Operation {
  readonly operationId: string;
  readonly method: Method;
  /** Template, such as `/api/v1/devices/{id}`. */
  readonly path: string;
  /** Lowest role that may call it; undefined where no token is needed. */
  readonly role: string | undefined;
  readonly parameters: readonly Parameter[];
  readonly body: { readonly type: string; readonly required: boolean; readonly schema: Schema } | undefined;
  readonly responses: Readonly<Record<string, DescribedResponse>>;
}

type Node = Readonly<Record<string, unknown>>;

export function describedOperations(document: object): Operation[] {
  const { paths } = resolved(document, document as Node) as {
    paths: Record<string, Record<string, Record<string, never>>>;
  };
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, described]): Operation => {
      const { operationId, parameters = [], requestBody, responses } = described;
      return {
        operationId: operationId!,
        method: method.toUpperCase() as Method,
        path,
        role: described['x-modelfleet-role'],
        parameters,
        body: requestBody && bodyOf(requestBody),
        responses: responses!,
      };
    }),
  );
}

function bodyOf({ required, content }: { required: boolean; content: Record<string, { schema: Schema }> }) {
  const [[type, { schema }]] = Object.entries(content) as [[string, { schema: Schema }]];
  return { type, required, schema };
}

/** References are followed; what they lead to is never part of itself in this API. */
function resolved(value: unknown, document: Node): unknown {
  if (Array.isArray(value)) return value.map((one) => resolved(one, document));
  if (typeof value !== 'object' || value === null) return value;
  const { $ref } = value as { $ref?: unknown };
  if (typeof $ref === 'string') {
    const target = $ref
      .slice(2)
      .split('/')
      .reduce<unknown>((node, key) => (node as Node)[key], document);
    return resolved(target, document);
  }
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, resolved(one, document)]));
}
