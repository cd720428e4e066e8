/**
 * The access log: one line of JSON for each request to the REST API, when its answer has ended or its connection broke. A line names
 * the path without the query, and no header but `User-Agent`: no secret can be in it. Writing never waits: lines that a full
 * disk does not take are lost, and both logs say how many.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { LimitedLog } from '../../platform/limited-log.ts';
import { openLogFile } from '../../platform/log-file.ts';
import { LogStream } from '../../platform/log-stream.ts';
import type { Logger } from '../../platform/logger.ts';
import { limits } from '../../shared/base/limits.ts';
import { shorten } from '../../shared/base/safe-text.ts';
import { requestIdOf } from './request-id.ts';

const OPTION = '--access-log';
const MESSAGE = 'request';

/** Where lines go. */
export type AccessTarget = 'off' | 'stderr' | LogStream;

/** `off`, `stderr`, or the path of a file, which is opened. Throws `bad_input`. */
export function openAccessTarget(option: string): AccessTarget {
  if (option === 'off' || option === 'stderr') return option;
  const lossLine = (lost: number) => `${lineOf({ lost }, 'lines were lost: the file took none')}\n`;
  return new LogStream(lossLine, openLogFile(option, OPTION));
}

export function closeAccessTarget(target: AccessTarget): void {
  if (typeof target === 'object') target.close();
}

export class AccessLog {
  readonly #logger: Logger;
  readonly #trouble: LimitedLog;
  readonly #requests = new WeakMap<IncomingMessage, FastifyRequest>();
  #target: AccessTarget;
  #lostReported = 0;

  constructor({ target, logger }: { readonly target: AccessTarget; readonly logger: Logger }) {
    this.#target = target;
    this.#logger = logger;
    this.#trouble = new LimitedLog({ logger, monotonic: () => performance.now() });
  }

  /** From the next line on; the file before is closed, once it has the lines that wait for it. */
  use(target: AccessTarget): void {
    this.close();
    this.#target = target;
    this.#lostReported = 0;
  }

  close(): void {
    closeAccessTarget(this.#target);
    this.#target = 'off';
  }

  /** Must be added before whatever may answer a request. */
  add(app: FastifyInstance): void {
    app.server.prependListener('request', (request: IncomingMessage, response: ServerResponse) =>
      this.#watch(request, response),
    );
    app.addHook('onRequest', async (request) => this.routed(request));
  }

  /** The framework has read the request: a line can tell its route and its caller. */
  routed(request: FastifyRequest): void {
    this.#requests.set(request.raw, request);
  }

  #watch(request: IncomingMessage, response: ServerResponse): void {
    if (this.#target === 'off') return;
    const since = performance.now();
    const bodyBytes = countBody(response);
    response.once('close', () => {
      const fields = {
        ...requestFields(request, this.#requests.get(request)),
        status: response.statusCode,
        bytes: bodyBytes(),
        ms: Math.round(performance.now() - since),
        ...(!response.writableFinished && { aborted: true }),
      };
      this.#write(fields);
    });
  }

  #write(fields: object): void {
    const target = this.#target;
    if (target === 'off') return;
    if (target === 'stderr') return void this.#logger.info(fields, MESSAGE);
    target.write(`${lineOf(fields, MESSAGE)}\n`);
    if (target.lost === this.#lostReported) return;
    this.#lostReported = target.lost;
    this.#trouble.error('', { lost: target.lost }, 'lines of the access log were lost: its file takes none');
  }
}

/** A line as those of the hub's own log are. */
function lineOf(fields: object, msg: string): string {
  return JSON.stringify({
    level: 30,
    time: new Date().toISOString(),
    component: 'hub',
    part: 'access',
    ...fields,
    msg,
  });
}

function requestFields(raw: IncomingMessage, request: FastifyRequest | undefined): object {
  const { 'user-agent': agent } = raw.headers;
  const [path = ''] = (raw.url ?? '').split(/[?#]/, 1);
  const { actor, endedToken } = request ?? {};
  const isKnown = actor !== undefined && actor.name !== 'anonymous';
  return {
    requestId: requestIdOf(raw),
    method: raw.method,
    route: request?.routeOptions.url ?? 'none',
    path: shorten(path, limits.accessLogPathCharsMax),
    actor: isKnown ? `token:${actor.name}` : 'anonymous',
    ...(isKnown && { role: actor.role }),
    ...(endedToken !== undefined && { endedToken }),
    address: request?.ip ?? raw.socket.remoteAddress,
    ...(agent !== undefined && { userAgent: shorten(agent, limits.accessLogAgentCharsMax) }),
  };
}

/** How many bytes of body were handed to the connection; none of an answer that may have no body. */
function countBody(response: ServerResponse): () => number {
  let bytes = 0;
  const count = (chunk: unknown) => {
    if (typeof chunk === 'string') bytes += Buffer.byteLength(chunk);
    else if (chunk instanceof Uint8Array) bytes += chunk.byteLength;
  };
  for (const name of ['write', 'end'] as const) {
    const original = response[name] as (...args: unknown[]) => unknown;
    (response as unknown as Record<string, unknown>)[name] = (...args: unknown[]) => {
      count(args[0]);
      return original.apply(response, args);
    };
  }
  return () => (response.req.method === 'HEAD' ? 0 : bytes);
}
