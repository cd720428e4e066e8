/** Reads a list of the hub page by page. */
import { limits } from '../shared/base/limits.ts';
import type { HubClient } from './context.ts';

const PAGE_ROWS = 500;

type Query = Readonly<Record<string, string | number | undefined>>;

export interface Page<T> {
  readonly rows: readonly T[];
  /** `after` of the following page; absent on the last one. */
  readonly next?: string | undefined;
}

export interface ListRequest<T> {
  readonly path: string;
  readonly query?: Query;
  /** At most so many rows; absent: `limits.listRowsMax`, which is more than any list has. */
  readonly limit?: number | undefined;
  readonly parse: (answer: unknown) => Page<T>;
}

/** `next` is there when the list goes on after `limit` rows. */
export async function readPages<T>(
  hub: HubClient,
  { path, query = {}, limit = limits.listRowsMax, parse }: ListRequest<T>,
): Promise<{ readonly rows: T[]; readonly next: string | undefined }> {
  const rows: T[] = [];
  let after = query['after'];
  for (;;) {
    const wanted = Math.min(PAGE_ROWS, limit - rows.length);
    const page = parse(await hub.get(path, { ...query, after, limit: wanted }));
    rows.push(...page.rows);
    if (page.next === undefined || page.next === after) return { rows, next: undefined };
    if (rows.length >= limit) return { rows, next: page.next };
    after = page.next;
  }
}
