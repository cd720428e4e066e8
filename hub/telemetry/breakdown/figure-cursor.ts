/** Cursors of the pages of a breakdown: they name it, so that the cursor of one is not taken for a place in another. */
import { Type } from 'typebox';
import { AppError } from '../../../shared/base/app-error.ts';
import { excerpt } from '../../../shared/base/excerpt.ts';
import { limits } from '../../../shared/base/limits.ts';
import { SemVer } from '../../../shared/base/names.ts';
import { parser } from '../../../shared/base/parse.ts';
import { readJson } from '../../../shared/base/read-json.ts';
import type { Place } from './figure-row.ts';

export const FIGURE_CURSOR_CHARS_MAX = 512;
const parseCursor = parser(
  Type.Tuple([Type.String(), SemVer, Type.String({ maxLength: limits.nameCharsMax * 2 })]),
  'cursor',
);

export function figureCursor(name: string, { version, key }: Place): string {
  return Buffer.from(JSON.stringify([name, version, key])).toString('base64url');
}

/** Throws `bad_input` for what is no cursor of the breakdown that is called `name`. */
export function placeAt(name: string, cursor: string): Place {
  const [of, version, key] = read(cursor);
  if (of === name) return { version, key };
  throw new AppError(
    'bad_input',
    `Cannot read the query: "after" is a cursor of figures by ${excerpt(of)}, and these are by ${name}.`,
  );
}

function read(cursor: string): [string, string, string] {
  try {
    const bytes = Buffer.from(cursor, 'base64url');
    return parseCursor(readJson(bytes, 'the cursor', { bytesMax: FIGURE_CURSOR_CHARS_MAX }));
  } catch (cause) {
    throw new AppError(
      'bad_input',
      `Cannot read the query: "after" is ${excerpt(cursor)}, expected the "next" of a page of figures.`,
      { cause },
    );
  }
}
