/** `Idempotency-Key` on the POSTs of the API: the first request is done and its answer stored, a repetition gets that answer. */
import canonicalize from 'canonicalize';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../shared/base/app-error.ts';
import { excerpt } from '../../shared/base/excerpt.ts';
import type { Claim, IdempotentRequests, KeyedRequest } from './idempotent-requests.ts';

const KEY = 'idempotency-key';
/** Of an answer that was given before. */
const REPLAYED = 'idempotent-replayed';
const WELL_FORMED = /^[\x21-\x7e]{1,255}$/;

/** Must be added before what looks at the state of things, such as preconditions. */
export function addIdempotency(api: FastifyInstance, requests: IdempotentRequests): void {
  const claims = new WeakMap<FastifyRequest, Claim>();

  api.addHook('preHandler', (request, reply, done) => {
    const keyed = keyedRequestOf(request);
    if (keyed === undefined) return done();
    if (keyed instanceof AppError) return done(keyed);
    requests.begin(keyed).then((begun) => {
      if ('answer' in begun) return replay(reply, begun.answer);
      claims.set(request, begun.claim);
      // What is called here runs for the request, the handler included.
      requests.run(begun.claim, done);
    }, done);
  });
  // Before it is sent: what the caller has seen is stored.
  api.addHook('preSerialization', async (request, reply, payload) => {
    const claim = claims.get(request);
    if (!claim || reply.statusCode >= 300) return payload;
    const location = reply.getHeader('location');
    await requests
      .storeAnswer(claim, {
        status: reply.statusCode,
        ...(typeof location === 'string' ? { location } : {}),
        body: JSON.stringify(payload),
      })
      // The request has taken effect and is answered; the database itself reports what is wrong with it.
      .catch(() => undefined);
    return payload;
  });
  // Also for a refusal, and when the caller has gone.
  api.addHook('onSend', async (request) => {
    const claim = claims.get(request);
    if (claim) requests.end(claim);
  });
}

function keyedRequestOf(request: FastifyRequest): KeyedRequest | AppError | undefined {
  const idempotencyKey = request.headers[KEY];
  const { role } = request.routeOptions.config;
  // PUT, PATCH and DELETE do the same when they are repeated; a public route has no token to know the caller by.
  if (idempotencyKey === undefined || request.method !== 'POST' || role === 'public') return undefined;
  if (typeof idempotencyKey !== 'string' || !WELL_FORMED.test(idempotencyKey)) {
    return new AppError(
      'bad_input',
      `Cannot read the request: Idempotency-Key is ${excerpt(String(idempotencyKey))}, expected 1 to 255 visible ASCII characters.`,
    );
  }
  return {
    token: request.actor.name,
    tokenSecret: String(request.headers.authorization).replace(/^bearer /i, ''),
    idempotencyKey,
    content: `${request.method} ${request.url} ${canonicalize(request.body ?? null)}`,
  };
}

function replay(
  reply: FastifyReply,
  { status, location, body }: { status: number; location?: string; body: string },
) {
  void reply.code(status).header(REPLAYED, 'true').type('application/json; charset=utf-8');
  if (location !== undefined) void reply.header('location', location);
  void reply.send(body);
}
