import { describe, expect, it } from 'vitest';
import { AppError } from '../../../../shared/base/app-error.ts';
import { failureExitCode, failureJson, failureText, usageError } from '../../../../shared/errors/failure.ts';

const refused = new AppError('not_found', 'Cannot show "x": there is none.', { details: { id: 'x' } });
const defect = new TypeError('x is undefined');

describe('a failed program', () => {
  it('prints message, code and fix', () => {
    expect(failureText('modelfleet', refused)).toMatch(
      /^modelfleet: Cannot show "x": there is none\.\n {2}code: not_found\n {2}fix: {2}\S.*\n$/,
    );
  });

  it('prints the text of a defect and never its stack', () => {
    expect(failureText('modelfleet', defect)).toBe('modelfleet: internal error: x is undefined\n');
    expect(failureJson(defect)).not.toContain('failure.test');
  });

  it('prints one JSON line with --json', () => {
    expect(JSON.parse(failureJson(refused)).error).toMatchObject({ code: 'not_found', details: { id: 'x' } });
  });

  it('ends with 1 when refused, 69 without a hub, 70 on a defect', () => {
    expect(failureExitCode(refused)).toBe(1);
    expect(failureExitCode(new AppError('hub_unreachable', 'no'))).toBe(69);
    expect(failureExitCode(new AppError('hub_answer_unreadable', 'no'))).toBe(69);
    expect(failureExitCode(defect)).toBe(70);
  });
});

describe('usageError()', () => {
  it('is an error like any other and ends with 2', () => {
    const error = usageError("error: unknown command 'foo'\n");
    expect(error).toMatchObject({ code: 'bad_usage', message: "Unknown command 'foo'." });
    expect(failureExitCode(error)).toBe(2);
  });

  it('shows the guess of the parser as a sentence, and what was typed as one line', () => {
    const error = usageError("error: unknown command 'a\nb'\n(Did you mean ab?)\n");
    expect(failureText('modelfleet', error)).toMatch(
      /^modelfleet: Unknown command 'a\\nb'\. Did you mean ab\?\n {2}code: bad_usage\n/,
    );
  });
});
