/** Values of flags as commands need them, checked before a hub is asked. */
import { AppError } from '../shared/base/app-error.ts';

export interface Range {
  readonly min: number;
  readonly max: number;
}

/** Throws `bad_input` naming flag, value and range. */
export function wholeNumber(text: string, flag: string, { min, max }: Range): number {
  const number = /^\d{1,12}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw new AppError(
    'bad_input',
    `Cannot read ${flag} "${text}": expected a whole number from ${min} to ${max}.`,
  );
}
