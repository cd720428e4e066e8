/**
 * Talks to the hub's REST API. The server must prove itself with the CA that was pinned at login; the hub's refusals come
 * back as the errors they are, with code and text.
 */
import { randomUUID } from 'node:crypto';
import { Agent, request } from 'undici';
import { serverClockFault } from '../platform/clock-fault.ts';
import { isTrustFault, systemCas } from '../platform/system-trust.ts';
import { errorOf, type Problem, parseProblem } from '../shared/api/problem.ts';
import { AppError, errorText } from '../shared/base/app-error.ts';
import { readJson } from '../shared/base/read-json.ts';
import type { HubClient } from './context.ts';
import { sendUntilAnswered } from './lost-connection.ts';

export interface HubAccess {
  /** `https://host:port`. */
  readonly url: string;
  readonly token: string;
  /** PEM of the CAs that verify the hub; absent: those of the system do. */
  readonly ca?: string;
}

type Query = Readonly<Record<string, string | number | undefined>>;
interface Call {
  readonly query?: Query | undefined;
  readonly body?: unknown;
  readonly bytes?: Uint8Array;
}

const API = '/api/v1';
const CONNECT_MS = 10_000;
const ANSWER_MS = 120_000;
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

export class HttpHubClient implements HubClient {
  readonly #access: HubAccess;
  readonly #agent: Agent;

  constructor(access: HubAccess, { timeoutMs }: { readonly timeoutMs?: number } = {}) {
    this.#access = access;
    this.#agent = new Agent({
      connect: { ca: access.ca ?? systemCas(), timeout: timeoutMs ?? CONNECT_MS },
      headersTimeout: timeoutMs ?? ANSWER_MS,
      bodyTimeout: timeoutMs ?? ANSWER_MS,
      maxResponseSize: ANSWER_BYTES_MAX,
    });
  }

  get(path: string, query?: Query): Promise<unknown> {
    return this.#call('GET', path, { query });
  }

  post(path: string, body?: unknown): Promise<unknown> {
    return this.#call('POST', path, { body });
  }

  patch(path: string, body: unknown): Promise<unknown> {
    return this.#call('PATCH', path, { body });
  }

  put(path: string, body: unknown): Promise<unknown> {
    return this.#call('PUT', path, { body });
  }

  delete(path: string): Promise<unknown> {
    return this.#call('DELETE', path, {});
  }

  putBytes(path: string, bytes: Uint8Array): Promise<unknown> {
    return this.#call('PUT', path, { bytes });
  }

  close(): Promise<void> {
    return this.#agent.close();
  }

  async #call(
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE' | 'PUT',
    path: string,
    call: Call,
  ): Promise<unknown> {
    const { url, token } = this.#access;
    const target = new URL(API + path, url);
    for (const [key, value] of Object.entries(call.query ?? {})) {
      if (value !== undefined) target.searchParams.set(key, String(value));
    }
    const payload = call.bytes ?? (call.body === undefined ? undefined : JSON.stringify(call.body));
    const type = call.bytes ? 'application/octet-stream' : 'application/json';
    try {
      // The same key at each repetition: the hub does it once.
      const key = method === 'POST' ? { 'idempotency-key': randomUUID() } : {};
      const send = async () => {
        const answer = await request(target, {
          method,
          dispatcher: this.#agent,
          headers: {
            authorization: `Bearer ${token}`,
            accept: 'application/json',
            ...key,
            ...(payload === undefined ? {} : { 'content-type': type }),
          },
          ...(payload === undefined ? {} : { body: payload }),
        });
        return readAnswer(url, answer.statusCode, await answer.body.bytes());
      };
      return await (method === 'POST' || method === 'GET' ? sendUntilAnswered(send) : send());
    } catch (error) {
      throw await asHubError(error, this.#access);
    }
  }
}

/** Says what is wrong with an answer, and not who gave it: its certificate was that of the hub, and its text may be damaged. */
function readAnswer(url: string, status: number, bytes: Uint8Array): unknown {
  const unreadable = (cause: unknown) =>
    new AppError(
      'hub_answer_unreadable',
      `Cannot read the answer of ${url} with status ${status} (${bytes.byteLength} bytes): ${errorText(cause)}`,
      { cause },
    );
  let value: unknown;
  try {
    const bounds = { bytesMax: ANSWER_BYTES_MAX };
    value = bytes.byteLength === 0 ? undefined : readJson(bytes, 'the answer', bounds);
    if (status >= 400) value = parseProblem(value);
  } catch (cause) {
    throw unreadable(cause);
  }
  if (status < 400) return value;
  throw errorOf(value as Problem);
}

/** A wrong clock, a certificate that is not trusted and an absent server get their own codes; the hub's own errors stay as they are. */
async function asHubError(error: unknown, { url, ca }: HubAccess): Promise<unknown> {
  if (error instanceof AppError) return error;
  const code = String((error as { code?: string }).code ?? '');
  if (code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE' || code.startsWith('HPE_')) {
    return new AppError('hub_answer_unreadable', `Cannot read the answer of ${url}: ${errorText(error)}.`, {
      cause: error,
    });
  }
  if (isTrustFault(error)) {
    const fault = await serverClockFault(url, ca ?? systemCas());
    if (fault) return fault;
    return new AppError(
      'ca_mismatch',
      `Refused to connect to ${url}: its certificate is not trusted (${errorText(error)}). No token was sent. If the hub uses its own CA, log in with --ca-fingerprint; if another CA issued its certificate, log in with --ca-file.`,
      { cause: error },
    );
  }
  return new AppError('hub_unreachable', `Cannot reach the hub at ${url}: ${reasonOf(error)}.`, {
    cause: error,
  });
}

/** A failed attempt on several addresses has the reasons inside and no text of its own. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(errorText).join('; ');
  return errorText(error) || String((error as { code?: string }).code ?? 'no answer');
}
