/** Asks a hub everything its API has, as `/openapi.json` describes it, and says how each was answered. */
import { randomBytes } from 'node:crypto';
import { Agent, request } from 'undici';
import { onTestFinished } from 'vitest';
import type { RunningHub } from './running-hub.ts';

export interface RouteAnswer {
  readonly route: string;
  readonly status: number;
  /** Of a refusal. */
  readonly code: string | undefined;
}

const values: Readonly<Record<string, string>> = {
  model: 'air',
  version: '1.0.0',
  name: 'admin',
  topic: 'root',
  sha256: 'f'.repeat(64),
};

/** Probes, metrics and the description itself stand outside the API. */
function inApi(paths: Record<string, object>): [string, object][] {
  return Object.entries(paths).filter(([path]) => path.startsWith('/api/'));
}

export class RouteCaller {
  readonly #hub: RunningHub;
  readonly #token: string;
  readonly #agent: Agent;

  constructor(hub: RunningHub, token: string) {
    this.#hub = hub;
    this.#token = token;
    this.#agent = new Agent({ connect: { ca: hub.ca } });
    onTestFinished(() => this.#agent.close());
  }

  /** Every route once: with a body that no route takes where it wants one. */
  async everyRoute(): Promise<RouteAnswer[]> {
    const { json } = await this.call('GET', '/openapi.json');
    const wanted = inApi(json.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => ({ path, method: method.toUpperCase() })),
    );
    return Promise.all(
      wanted.map(async ({ path, method }) => {
        const url = path.replaceAll(/\{(\w+)\}/g, (_, key: string) => values[key] ?? 'x');
        const { status, code } = await this.call(method, url, method === 'GET' ? undefined : {});
        return { route: `${method} ${path}`, status, code };
      }),
    );
  }

  /** Everything that can be read, each at `paths` of its template, or at the template as it is where nothing is to be filled in. */
  async everyRead(paths: Readonly<Record<string, string>>): Promise<RouteAnswer[]> {
    const { json } = await this.call('GET', '/openapi.json');
    const templates = inApi(json.paths).flatMap(([path, methods]) => ('get' in methods ? [path] : []));
    return Promise.all(
      templates.map(async (template) => {
        const { status, code } = await this.call('GET', paths[template] ?? template);
        return { route: `GET ${template}`, status, code };
      }),
    );
  }

  async call(
    method: string,
    path: string,
    body?: object | Buffer,
    // biome-ignore lint/suspicious/noExplicitAny: whatever the hub answers.
  ): Promise<{ status: number; code: string | undefined; text: string; json: any; headers: object }> {
    const isBytes = Buffer.isBuffer(body);
    const answer = await request(this.#hub.url + path, {
      method: method as 'GET',
      dispatcher: this.#agent,
      headers: {
        authorization: `Bearer ${this.#token}`,
        ...(body === undefined
          ? {}
          : { 'content-type': isBytes ? 'application/octet-stream' : 'application/json' }),
      },
      ...(body === undefined ? {} : { body: isBytes ? body : JSON.stringify(body) }),
    });
    const text = await answer.body.text();
    const json = text.startsWith('{') ? JSON.parse(text) : {};
    return { status: answer.statusCode, code: json.code, text, json, headers: answer.headers };
  }

  /** A name that no token has. */
  newToken() {
    return this.call('POST', '/api/v1/tokens', {
      name: `t-${randomBytes(6).toString('hex')}`,
      role: 'viewer',
    });
  }
}
