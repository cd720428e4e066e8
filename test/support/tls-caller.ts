/** Requests to a hub over TLS with headers of the test's own, and what came back as it came: compressed, with every header. */
import { Agent, request } from 'undici';
import { onTestFinished } from 'vitest';

export interface TlsAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly bytes: Buffer;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the hub answers.
  readonly json: any;
}

export interface TlsCall {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export type TlsCaller = (method: string, path: string, call?: TlsCall) => Promise<TlsAnswer>;

/** `path` below `/api/v1` unless it begins with `//`. */
export function tlsCaller(hub: { readonly url: string; readonly ca: string }, token: string): TlsCaller {
  const agent = new Agent({ connect: { ca: hub.ca } });
  onTestFinished(() => agent.close());
  return async (method, path, { body, headers = {} } = {}) => {
    const answer = await request(hub.url + (path.startsWith('//') ? path.slice(1) : `/api/v1${path}`), {
      method: method as 'GET',
      dispatcher: agent,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const bytes = Buffer.from(await answer.body.arrayBuffer());
    const isPlain = answer.headers['content-encoding'] === undefined && /^[[{]/.test(bytes.toString());
    const json = isPlain ? JSON.parse(bytes.toString()) : undefined;
    return { status: answer.statusCode, headers: answer.headers as TlsAnswer['headers'], bytes, json };
  };
}
