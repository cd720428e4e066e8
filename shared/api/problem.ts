/**
 * How the hub refuses a request: problem details (RFC 9457, `application/problem+json`) with our code, whether a retry
 * can help, and the request id to quote. Written by the hub, read by the CLI and by an enrolling agent.
 */
import { type Static, Type } from 'typebox';
import { AppError } from '../base/app-error.ts';
import { parser } from '../base/parse.ts';
import { type ErrorCode, errorCatalogue } from '../errors/catalogue.ts';

export const Problem = Type.Object(
  {
    /** `urn:modelfleet:error:<code>`. */
    type: Type.String({ maxLength: 256 }),
    /** What the code means, the same for every occurrence. */
    title: Type.String({ maxLength: 1_000 }),
    status: Type.Integer({ minimum: 400, maximum: 599 }),
    /** What happened this time. */
    detail: Type.String({ maxLength: 20_000 }),
    code: Type.String({ pattern: '^[a-z][a-z0-9_]{0,63}$' }),
    /** Request id; the hub's log has it too. */
    instance: Type.String({ maxLength: 256 }),
    retry: Type.Union([Type.Literal('never'), Type.Literal('later')]),
    fix: Type.String({ maxLength: 1_000 }),
    retryAfterMs: Type.Optional(Type.Integer({ minimum: 0 })),
    details: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  },
  { $id: 'Problem', description: 'Problem details (RFC 9457)' },
);
export type Problem = Static<typeof Problem>;
export const parseProblem = parser(Problem, 'problem answer');

/** The answer that tells of `error`; `instance` is the request's id. */
export function problemOf(error: AppError, instance: string): Problem {
  const { retry, meaning, fix } = error.entry;
  return {
    type: `urn:modelfleet:error:${error.code}`,
    title: meaning,
    status: error.status,
    detail: error.message,
    code: error.code,
    instance,
    retry,
    fix,
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
    ...(error.details === undefined ? {} : { details: { ...error.details } }),
  };
}

/** The error a problem tells of. A code that only a newer hub knows becomes `internal`, its text kept. */
export function errorOf(problem: Problem): AppError {
  const options = {
    details: { ...problem.details, request: problem.instance },
    ...(problem.retryAfterMs === undefined ? {} : { retryAfterMs: problem.retryAfterMs }),
  };
  if (Object.hasOwn(errorCatalogue, problem.code)) {
    return new AppError(problem.code as ErrorCode, problem.detail, options);
  }
  return new AppError(
    'internal',
    `${problem.detail} (code ${problem.code}, unknown to this program)`,
    options,
  );
}
