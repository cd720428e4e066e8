/**
 * Turns whatever a route throws into problem details (RFC 9457). Coded errors are shown as they are; anything else is a
 * defect: whoever called this logs it under the request id, and the caller sees `internal` and that id, never a stack.
 */

import type { FastifyReply, FastifyRequest } from 'fastify';
import { problemOf } from '../../shared/api/problem.ts';
import { AppError, errorText, isAppError } from '../../shared/base/app-error.ts';
import { ownValue } from '../../shared/base/own-value.ts';
import { shorten } from '../../shared/base/safe-text.ts';
import { hubDataFolder, storageError } from '../db/storage-error.ts';
import { bodyBytesMax } from './request-validation.ts';

/** The framework quotes what it refuses. */
const CAUSE_CHARS_MAX = 200;

/** A request that was not done, for whoever counts them. */
export interface RefusedRequest {
  readonly error: AppError;
  /** Name of the token, also of one that works no more; undefined for a stranger. */
  readonly actor: string | undefined;
  readonly address: string;
}

/** What was answered, and to whom. */
export function refusedRequest(error: AppError, request: FastifyRequest): RefusedRequest {
  const isPublic = request.routeOptions.config.role === 'public';
  // Not yet set when the token itself was refused.
  const name = request.endedToken ?? (request.actor as FastifyRequest['actor'] | undefined)?.name;
  return { error, actor: isPublic ? undefined : name, address: request.ip };
}

/** Fastify error handler; returns what it answered with. */
export function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): AppError {
  const coded = storageError(error, hubDataFolder) ?? asAppError(error, request);
  const problem = problemOf(coded, request.id);
  if (problem.status < 500)
    request.log.debug({ code: coded.code, status: problem.status }, 'request refused');
  if (coded.retryAfterMs !== undefined) {
    void reply.header('retry-after', Math.max(1, Math.ceil(coded.retryAfterMs / 1_000)));
  }
  if (problem.status === 401) void reply.header('www-authenticate', 'Bearer realm="modelfleet"');
  if (problem.status === 415) void reply.headers(acceptedBody(coded, request));
  void reply.code(problem.status).type('application/problem+json').send(JSON.stringify(problem));
  return coded;
}

/** What the route would have read (RFC 9110 §15.5.16, RFC 5789 §2.2). */
function acceptedBody({ code }: AppError, { method, routeOptions }: FastifyRequest): Record<string, string> {
  if (code === 'encoding_unsupported') return { 'accept-encoding': 'identity' };
  const type = routeOptions.config.accepts ?? 'application/json';
  const own = ownValue({ POST: 'accept-post', PATCH: 'accept-patch' }, method);
  return { accept: type, ...(own === undefined ? {} : { [own]: type }) };
}

/** Fastify's own refusals (body too large, no JSON, wrong media type) have a status below 500 and a text fit for callers. */
function asAppError(error: unknown, request: FastifyRequest): AppError {
  if (isAppError(error)) return error;
  const status = (error as { statusCode?: number } | undefined)?.statusCode ?? 500;
  if (status === 413) {
    return new AppError(
      'too_large',
      `Cannot read the request: its body exceeds the limit of ${bodyBytesMax(request)} bytes.`,
    );
  }
  if (status === 415) {
    const type = request.routeOptions.config.accepts ?? 'application/json';
    return new AppError(
      'media_type_unsupported',
      `Cannot read the request: it has a body without a supported Content-Type, expected "${type}".`,
    );
  }
  if (status >= 400 && status < 500) {
    return new AppError(
      'bad_input',
      `Cannot read the request: ${shorten(errorText(error), CAUSE_CHARS_MAX)}.`,
    );
  }
  return new AppError(
    'internal',
    `The hub failed on this request. Its log names the cause under "${request.id}", or under a similar request that failed in the minute before.`,
  );
}
