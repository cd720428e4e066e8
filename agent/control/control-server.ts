/**
 * How `status`, `rollback`, `release` and `clock` reach the running agent: HTTP on a loopback port of its own, with a secret that only who can read
 * the data folder knows. The local API asks for no credentials, so what steers the device is not on it.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Static, Type } from 'typebox';
import { writeFileAtomic } from '../../platform/atomic-file.ts';
import { AppError, isAppError } from '../../shared/base/app-error.ts';
import { excerpt } from '../../shared/base/excerpt.ts';
import { jsonParser } from '../../shared/base/parse.ts';

/** `state/control.json`. */
export const ControlFile = Type.Object({
  v: Type.Literal(1),
  port: Type.Integer({ minimum: 1, maximum: 65_535 }),
  secret: Type.String({ pattern: '^[0-9a-f]{64}$' }),
});
export type ControlFile = Static<typeof ControlFile>;
export const controlFileBytesMax = 1024;
export const parseControlFile = jsonParser(ControlFile, 'control file', controlFileBytesMax);

export interface ControlActions {
  status(): Promise<unknown>;
  /** Throws `not_found`, `no_previous_version`, `update_under_way`. */
  rollBack(model: string | undefined): Promise<unknown>;
  /** Throws `not_found`. */
  release(model: string | undefined): Promise<unknown>;
  /** What statements have proved of the time is forgotten. */
  resetClock(): Promise<unknown>;
}

export interface ControlServer {
  close(): Promise<void>;
}

/** Throws `disk_full` when the file cannot be written; then nothing listens. */
export async function openControlServer(file: string, actions: ControlActions): Promise<ControlServer> {
  const secret = randomBytes(32).toString('hex');
  const server = createServer((request, response) => {
    answer(request, secret, actions)
      .then((body) => send(response, 200, body))
      .catch((error: unknown) => {
        const known = isAppError(error)
          ? error
          : new AppError('internal', 'The agent failed on this request. Its log has the cause.');
        send(response, known.status, { code: known.code, message: known.message });
      });
  });
  server.requestTimeout = 10_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const end = () => {
    const ended = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    return ended;
  };
  const content = JSON.stringify({ v: 1, port, secret } satisfies ControlFile);
  await writeFileAtomic(file, content).catch(async (error: unknown) => {
    await end();
    throw error;
  });
  return {
    async close() {
      await rm(file, { force: true });
      await end();
    },
  };
}

async function answer(request: IncomingMessage, secret: string, actions: ControlActions): Promise<unknown> {
  if (!carries(request, secret)) {
    throw new AppError(
      'unauthorized',
      'Cannot accept the request: it does not carry the secret of this agent.',
    );
  }
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://agent');
  const route = `${request.method} ${pathname}`;
  switch (route) {
    case 'GET /status':
      refuseUnknown(searchParams, []);
      return actions.status();
    case 'POST /rollback':
      return actions.rollBack(modelOf(searchParams));
    case 'POST /release':
      return actions.release(modelOf(searchParams));
    case 'POST /clock/reset':
      refuseUnknown(searchParams, []);
      return actions.resetClock();
    default:
      throw new AppError('not_found', `Cannot find ${route.slice(0, 100)}: the agent has no such path.`);
  }
}

function modelOf(given: URLSearchParams): string | undefined {
  refuseUnknown(given, ['model']);
  const [model, ...more] = given.getAll('model');
  if (more.length > 0)
    throw new AppError('bad_input', 'Cannot accept the request: it names the model twice.');
  return model;
}

/** An order whose model is misspelt would go to whichever model there is. */
function refuseUnknown(given: URLSearchParams, known: readonly string[]): void {
  const unknown = [...given.keys()].find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw new AppError(
    'bad_input',
    `Cannot accept the request: this path has no parameter ${excerpt(unknown)}.`,
  );
}

function carries(request: IncomingMessage, secret: string): boolean {
  const given = Buffer.from(request.headers.authorization ?? '');
  const wanted = Buffer.from(`Bearer ${secret}`);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
