/** Values of flags as commands need them, checked before a hub is asked. */
import { usageValue } from '../platform/usage-value.ts';
import { AppError } from '../shared/base/app-error.ts';
import { parseDuration } from '../shared/base/duration.ts';
import { parseTime } from '../shared/base/time.ts';

export interface Range {
  readonly min: number;
  readonly max: number;
}

/** Throws `bad_usage` naming flag, value and range. */
export function wholeNumber(text: string, flag: string, { min, max }: Range): number {
  const number = /^\d{1,12}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw new AppError(
    'bad_usage',
    `Cannot read ${flag} "${text}": expected a whole number from ${min} to ${max}.`,
  );
}

/** Milliseconds of `10m`. Throws `bad_usage` naming flag and value. */
export function duration(text: string, flag: string): number {
  return usageValue(() => parseDuration(text, flag));
}

/** Milliseconds since the epoch of a time with its zone. Throws `bad_usage` naming flag and value. */
export function pointInTime(text: string, flag: string): number {
  return usageValue(() => parseTime(text, flag));
}

/** `5%` or `0.05`. A bare number above 1 is refused, because it could mean either. Throws `bad_usage` naming flag and value. */
export function share(text: string, flag: string): number {
  const match = /^(\d{1,3}(?:\.\d{1,9})?)(%)?$/.exec(text);
  // Read as written: 99.9 / 100 is a little more than 0.999.
  const number = match ? Number(`${match[1]}e${match[2] ? -2 : 0}`) : Number.NaN;
  if (number >= 0 && number <= 1) return number;
  throw new AppError('bad_usage', `Cannot read ${flag} "${text}": expected a share such as 5% or 0.05.`);
}
