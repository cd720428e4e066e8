/** Requests to a live hub, each answer held against the API's description, and which documented statuses have been answered. */
import { request } from 'node:https';
import type { HubClient } from '../../cli/context.ts';
import { errorOf, parseProblem } from '../../shared/api/problem.ts';
import { type Answer, nonconformities } from './conformance.ts';
import type { Method, Operation } from './described-api.ts';

export interface Call {
  readonly token?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON unless it is bytes. */
  readonly body?: unknown;
  /** Sent instead of the body's own length; the body itself is not sent then. */
  readonly declaredBytes?: number;
  /** Who calls, where limits by address must not meet. */
  readonly localAddress?: string;
}

export class RecordedApi {
  readonly #operations: readonly Operation[];
  readonly #hub: { readonly url: string; readonly ca: string };
  /** `operationId status` of each answer so far. */
  readonly seen: Set<string>;
  /** What answers had that is not described. */
  readonly faults: string[];
  /** A path that was read, by operation. */
  readonly read = new Map<string, string>();

  constructor(
    operations: readonly Operation[],
    hub: { readonly url: string; readonly ca: string },
    record: { readonly seen: Set<string>; readonly faults: string[] },
  ) {
    this.#operations = operations;
    this.#hub = hub;
    this.seen = record.seen;
    this.faults = record.faults;
  }

  /** `path` without query names an operation of the description. */
  async call(method: Method, path: string, call: Call = {}): Promise<Answer> {
    const operation = this.operation(method, path.split('?')[0]!);
    const answer = await send(this.#hub, method, path, call);
    this.note(operation, answer);
    if (method === 'GET' && answer.status === 200) this.read.set(operation.operationId, path);
    return answer;
  }

  /** An answer that came by another way. */
  note(operation: Operation, answer: Answer): void {
    this.seen.add(`${operation.operationId} ${answer.status}`);
    this.faults.push(...nonconformities(operation, answer));
  }

  operation(method: Method, path: string): Operation {
    const matching = this.#operations.filter((one) => one.method === method && matches(one.path, path));
    // A literal part of a path wins over a parameter, as in the router.
    const [found] = matching.sort((a, b) => placeholders(a.path) - placeholders(b.path));
    if (!found) throw new Error(`The description has no ${method} ${path}.`);
    return found;
  }

  /** The client that the command line's own functions use. */
  client(token: string): HubClient {
    const ask = async (method: Method, path: string, body?: unknown): Promise<unknown> => {
      const answer = await this.call(method, `/api/v1${path}`, { token, body });
      if (answer.status >= 400) throw errorOf(parseProblem(answer.json));
      return answer.json;
    };
    return {
      get: (path, query = {}) => {
        const asked = new URLSearchParams();
        for (const [name, value] of Object.entries(query)) {
          if (value !== undefined) asked.set(name, String(value));
        }
        const text = asked.toString();
        return ask('GET', text === '' ? path : `${path}?${text}`);
      },
      post: (path, body) => ask('POST', path, body ?? {}),
      patch: (path, body) => ask('PATCH', path, body),
      put: (path, body) => ask('PUT', path, body),
      delete: (path) => ask('DELETE', path),
      putBytes: (path, bytes) => ask('PUT', path, Buffer.from(bytes)),
      close: async () => undefined,
    };
  }
}

/** Bytes of one answer as it came over a connection that was closed after it. */
export function readRawAnswer(bytes: Buffer): Answer {
  const [head = '', ...rest] = bytes.toString().split('\r\n\r\n');
  const [status = '', ...lines] = head.split('\r\n');
  const headers = Object.fromEntries(
    lines.map((line) => [
      line.slice(0, line.indexOf(':')).toLowerCase(),
      line.slice(line.indexOf(':') + 1).trim(),
    ]),
  );
  return answerOf(Number(status.split(' ')[1]), headers, rest.join('\r\n\r\n'));
}

function answerOf(status: number, headers: Readonly<Record<string, string>>, text: string): Answer {
  const isJson = /json/.test(String(headers['content-type']));
  return { status, headers, text, json: isJson && text !== '' ? JSON.parse(text) : undefined };
}

function matches(template: string, path: string): boolean {
  const parts = template.split('/');
  const given = path.split('/');
  return parts.length === given.length && parts.every((part, n) => part.startsWith('{') || part === given[n]);
}

function placeholders(template: string): number {
  return template.split('{').length;
}

function send(
  hub: { readonly url: string; readonly ca: string },
  method: Method,
  path: string,
  { token, headers = {}, body, declaredBytes, localAddress = '127.0.0.1' }: Call,
): Promise<Answer> {
  const bytes = body === undefined || Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
  const length = declaredBytes ?? bytes?.byteLength;
  const type = Buffer.isBuffer(body) ? 'application/octet-stream' : 'application/json';
  return new Promise((resolve, reject) => {
    const sent = request(
      new URL(path, hub.url),
      {
        method,
        ca: hub.ca,
        agent: false,
        localAddress,
        // A local address is one of IPv4.
        family: 4,
        headers: {
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(bytes === undefined && declaredBytes === undefined ? {} : { 'content-type': type }),
          // Node frames the body of a DELETE by nothing else.
          ...(length === undefined ? {} : { 'content-length': String(length) }),
          ...headers,
        },
      },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk) => chunks.push(chunk)).on('error', reject);
        answer.on('end', () => {
          sent.destroy();
          const text = Buffer.concat(chunks).toString();
          resolve(answerOf(answer.statusCode!, answer.headers as Record<string, string>, text));
        });
      },
    );
    sent.on('error', reject);
    if (declaredBytes === undefined) sent.end(bytes);
    else sent.flushHeaders();
  });
}
