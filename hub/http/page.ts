/**
 * Lists come in pages: a request says how many rows it wants and after which one, the answer says in `next` what to ask the
 * following page with. Without `next` there are no more. Stores are asked for one row more than a page has.
 */
import { Type } from 'typebox';
import { limits } from '../../shared/base/limits.ts';

/** What every list takes, beside its filters. */
export const pageQuery = {
  limit: Type.Integer({ minimum: 1, maximum: limits.pageRowsMax, default: 100 }),
};

/** Of up to `limit + 1` rows, the page and the cursor of its last row when there are more. */
export function pageOf<T>(
  rows: readonly T[],
  limit: number,
  cursorOf: (row: T) => string,
): { readonly rows: T[]; readonly next?: string } {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return rows.length > limit && last !== undefined ? { rows: page, next: cursorOf(last) } : { rows: page };
}
