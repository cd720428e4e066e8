/** From the schemas of routes to OpenAPI: what @fastify/swagger cannot know of this API. */

import type { FastifySchema, RouteOptions } from 'fastify';
import { Problem } from '../../shared/api/problem.ts';
import { ownValue } from '../../shared/base/own-value.ts';
import type { HttpErrorCode } from '../../shared/errors/catalogue.ts';
import { hoistNamed, markNamed } from './named-schemas.ts';
import { byStatus, operationErrors } from './operation-errors.ts';
import { requestHeadersOf } from './request-headers.ts';
import { headersOf, responseHeaders } from './response-headers.ts';

interface Operation {
  requestBody?: { required: boolean; content: Record<string, { schema: Schema }> };
  responses: Record<string, Response>;
  readonly parameters?: readonly { readonly name?: string }[];
  readonly [ERRORS]?: readonly HttpErrorCode[];
}
interface Response {
  description: string;
  headers?: unknown;
  content?: Record<string, { schema: unknown }>;
}
interface Schema {
  readonly type?: string;
  readonly anyOf?: readonly Schema[];
  readonly properties?: object;
}

/** Carries the codes from a route to its operation. */
const ERRORS = 'x-modelfleet-errors';
const PROBLEM_TYPE = 'application/problem+json';

const succeeded: Readonly<Record<string, string>> = {
  200: 'Done.',
  201: 'Created; `Location` names the new resource.',
  202: 'Accepted: the devices concerned do it when they receive it.',
  204: 'Done; there is nothing more to say.',
};

/** Of one route: `transform` of @fastify/swagger. */
export function describeOperation<T extends FastifySchema>(props: {
  readonly schema: T;
  readonly url: string;
  readonly route: RouteOptions;
}): { schema: T; url: string } {
  const { schema, url, route } = props;
  if (!schema || schema.hide) return { schema, url };
  const { role, accepts } = route.config ?? {};
  const isOpen = role === undefined || role === 'public';
  const described = {
    ...(markNamed(schema) as T),
    headers: requestHeadersOf(route),
    ...(accepts === undefined ? {} : { consumes: [accepts] }),
    description: [
      schema.description ?? `${schema.summary}.`,
      isOpen ? 'Needs no token.' : `Lowest role: ${role}.`,
    ].join(' '),
    security: isOpen ? [] : [{ token: [] }],
    ...(isOpen ? {} : { 'x-modelfleet-role': role }),
    [ERRORS]: operationErrors(route),
  };
  return { schema: described, url };
}

/** Of the whole description: `transformObject` of @fastify/swagger. */
export function finishDocument<T extends object>(document: T): T {
  const { paths = {}, components = {} } = document as {
    paths?: Record<string, Record<string, Operation>>;
    components?: object;
  };
  const finished = Object.entries(paths).map(([path, operations]) => [
    path,
    Object.fromEntries(Object.entries(operations).map(([method, one]) => [method, finishOperation(one)])),
  ]);
  const headers = Object.fromEntries(
    Object.entries(responseHeaders).map(([name, { description, schema, required }]) => [
      name,
      { description, schema, ...(required ? { required } : {}) },
    ]),
  );
  return hoistNamed({
    ...document,
    components: { ...components, headers },
    paths: Object.fromEntries(finished),
  }) as T;
}

function finishOperation({ requestBody, responses, [ERRORS]: codes = [], ...rest }: Operation): object {
  const body = requestBody && finishBody(requestBody);
  return {
    ...rest,
    ...(body ? { requestBody: body } : {}),
    responses: {
      ...mapEntries(responses, finishSuccess),
      ...(isConditional(rest) ? { 304: notModified } : {}),
      ...errorResponses(codes, responses),
    },
  };
}

const notModified = {
  description: 'The answer would be the one that `If-None-Match` names.',
  headers: headersOf('304'),
};

function isConditional({
  parameters = [],
}: {
  readonly parameters?: readonly { readonly name?: string }[];
}): boolean {
  return parameters.some(({ name }) => name?.toLowerCase() === 'if-none-match');
}

/** A body that may be left out is described by what it may be; one that may only be empty is not described. */
function finishBody({ content }: NonNullable<Operation['requestBody']>): object | undefined {
  const [type = '', { schema } = {}] = Object.entries(content)[0] ?? [];
  const isOptional = schema?.anyOf?.some((one) => one.type === 'null') ?? false;
  if (!isOptional) return { required: true, content };
  const wanted = (schema?.anyOf ?? []).filter((one) => one.type !== 'null');
  const isEmpty = wanted.every(({ properties = {} }) => Object.keys(properties).length === 0);
  if (isEmpty) return undefined;
  return {
    required: false,
    content: { [type]: { schema: wanted.length === 1 ? wanted[0] : { anyOf: wanted } } },
  };
}

function finishSuccess(response: Response, status: string): Response {
  const headers = headersOf(status);
  return {
    ...response,
    description:
      response.description === 'Default Response' ? ownValue(succeeded, status)! : response.description,
    headers,
  };
}

/** Each error status with the codes that the operation may answer with. */
function errorResponses(
  codes: readonly HttpErrorCode[],
  others: Operation['responses'],
): Record<string, Response> {
  const found = [...byStatus(codes)].map(([number, ofStatus]): [string, Response] => {
    const status = String(number);
    const headers = headersOf(status);
    const list = ofStatus.map((code) => `\`${code}\``).join(', ');
    const schema = { allOf: [markNamed(Problem), { properties: { code: { enum: [...ofStatus] } } }] };
    return [
      status,
      {
        description: [
          ownValue(others, status)?.description,
          `${number < 500 ? 'Refused' : 'Failed'}: ${list}.`,
        ]
          .filter((text) => text !== undefined)
          .join(' '),
        headers,
        content: { ...ownValue(others, status)?.content, [PROBLEM_TYPE]: { schema } },
      },
    ];
  });
  return Object.fromEntries(found);
}

function mapEntries<T, R>(
  record: Record<string, T>,
  change: (value: T, key: string) => R,
): Record<string, R> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value, key)]));
}
