/** Response headers as `/openapi.json` describes them, each once. An operation says by status which ones it sends. */
import { ownValue } from '../../shared/base/own-value.ts';

export interface ResponseHeader {
  readonly description: string;
  readonly schema: Readonly<Record<string, unknown>>;
  /** True when the header is in every answer of the status. */
  readonly required: boolean;
}

export const responseHeaders = {
  'X-Request-Id': {
    description: 'Id of the request, as in the log and in a problem: that of the caller where it sent one.',
    schema: { type: 'string', maxLength: 64 },
    required: true,
  },
  'RateLimit-Policy': {
    description: 'Requests (`q`) that the token may make in so many seconds (`w`).',
    schema: { type: 'string' },
    required: false,
  },
  RateLimit: {
    description: 'Requests that are left (`r`), and seconds until there are all again (`t`).',
    schema: { type: 'string' },
    required: false,
  },
  'Idempotent-Replayed': {
    description: 'True when the answer is that of an earlier request with the same idempotency key.',
    schema: { type: 'string', enum: ['true'] },
    required: false,
  },
  Link: {
    description: 'The next page of a list: `<…>; rel="next"`.',
    schema: { type: 'string' },
    required: false,
  },
  ETag: {
    description: 'Tag of this state of the resource, for `If-None-Match` and `If-Match`.',
    schema: { type: 'string' },
    required: false,
  },
  Location: {
    description: 'Path of the resource that was created, unless it is the path of the request.',
    schema: { type: 'string', format: 'uri-reference' },
    required: false,
  },
  'WWW-Authenticate': {
    description: 'The scheme to authenticate with.',
    schema: { type: 'string' },
    required: true,
  },
  'Retry-After': {
    description: 'Seconds to wait before the request is sent again.',
    schema: { type: 'integer', minimum: 1 },
    required: false,
  },
  Accept: {
    description: 'Media type that the path reads, when the type was refused.',
    schema: { type: 'string' },
    required: false,
  },
  'Accept-Encoding': {
    description: 'Content coding that the path reads, when the coding was refused.',
    schema: { type: 'string' },
    required: false,
  },
} as const satisfies Readonly<Record<string, ResponseHeader>>;

export type ResponseHeaderName = keyof typeof responseHeaders;

/** What every answer may carry. */
const always: readonly ResponseHeaderName[] = ['X-Request-Id', 'RateLimit-Policy', 'RateLimit'];
/** What answers of a status carry beside that, whatever the operation. */
const byStatus: Readonly<Record<string, readonly ResponseHeaderName[]>> = {
  200: ['ETag', 'Link', 'Idempotent-Replayed'],
  304: ['ETag'],
  412: ['ETag'],
  201: ['Location', 'Idempotent-Replayed'],
  401: ['WWW-Authenticate'],
  415: ['Accept', 'Accept-Encoding'],
  429: ['Retry-After'],
  503: ['Retry-After'],
  507: ['Retry-After'],
};

/** References to the headers of answers of `status`, and to `more`. */
export function headersOf(
  status: string,
  more: readonly ResponseHeaderName[] = [],
): Readonly<Record<string, { readonly $ref: string }>> {
  const names = [...always, ...(ownValue(byStatus, String(status)) ?? []), ...more];
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}
