import { describe, expect, it } from 'vitest';
import { errorOf, parseProblem, problemOf } from '../../../../shared/api/problem.ts';
import { AppError } from '../../../../shared/base/app-error.ts';

describe('problem details', () => {
  const error = new AppError('rate_limited', 'Refused: too many.', {
    retryAfterMs: 1_500,
    details: { limit: 5 },
  });

  it('carry code, status, retry and fix from the catalogue beside the text of the occurrence', () => {
    expect(problemOf(error, 'req-1')).toMatchObject({
      type: 'urn:modelfleet:error:rate_limited',
      status: 429,
      detail: 'Refused: too many.',
      code: 'rate_limited',
      instance: 'req-1',
      retry: 'later',
      retryAfterMs: 1_500,
      details: { limit: 5 },
    });
  });

  it('become the same error again on the other side', () => {
    const back = errorOf(parseProblem(JSON.parse(JSON.stringify(problemOf(error, 'req-1')))));
    expect(back).toMatchObject({ code: 'rate_limited', message: error.message, retryAfterMs: 1_500 });
    expect(back.details).toEqual({ limit: 5, request: 'req-1' });
  });

  it('of a code this program does not know keep text and code in an internal error', () => {
    const back = errorOf({ ...problemOf(error, 'r'), code: 'from_the_future' });
    expect(back.code).toBe('internal');
    expect(back.message).toContain('from_the_future');
  });

  it('never show an inherited property as a code', () => {
    expect(errorOf({ ...problemOf(error, 'r'), code: 'constructor' }).code).toBe('internal');
  });

  it('that do not fit the schema are refused', () => {
    expect(() => parseProblem({ status: 200 })).toThrow('Cannot read problem answer');
  });
});
