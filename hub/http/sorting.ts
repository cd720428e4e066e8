/**
 * The order of a list: a closed list of sorts for each resource, and cursors that name theirs, so that the cursor of one order is not taken
 * for a place in another. A sort goes by columns of an index that ends in a unique one: rows that come meanwhile move no other row.
 */
import type { FastifyInstance } from 'fastify';
import { type ReferenceExpression, type SelectQueryBuilder, sql } from 'kysely';
import { Type } from 'typebox';
import { AppError } from '../../shared/base/app-error.ts';
import { excerpt } from '../../shared/base/excerpt.ts';
import { ownValue } from '../../shared/base/own-value.ts';
import { parser } from '../../shared/base/parse.ts';
import { readJson } from '../../shared/base/read-json.ts';
import { pageOf } from './page.ts';

type Value = string | number;

/** One way to order rows: by columns of which the last is unique, and their values in a row as it is answered. */
export interface Sort<Row> {
  readonly columns: readonly string[];
  readonly valuesOf: (row: Row) => readonly Value[];
}
/** By the name of a sort without its `-`. */
export type Sorts<Row> = Readonly<Record<string, Sort<Row>>>;

/** Where a page begins, and in which order. */
export interface Position {
  readonly columns: readonly string[];
  readonly isDescending: boolean;
  /** Of the last row of the page before. */
  readonly after?: readonly Value[] | undefined;
}

const CURSOR_CHARS_MAX = 512;
const Cursor = Type.Tuple([
  Type.String(),
  Type.Array(Type.Union([Type.String(), Type.Number()]), { maxItems: 4 }),
]);
const parseCursor = parser(Cursor, 'cursor');

/** What a sorted list takes beside `limit` and its filters. */
export function sortQuery(sorts: Sorts<never>, byDefault: string) {
  const names = Object.keys(sorts).flatMap((name) => [name, `-${name}`]);
  return {
    sort: Type.Enum(names, {
      default: byDefault,
      description: 'Order of the list; `-` for the largest or newest first',
    }),
    after: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: CURSOR_CHARS_MAX,
        description: '`next` of the page before, with the same `sort`',
      }),
    ),
  };
}

/** Throws `bad_input` for a cursor of another sort, or of no list. */
export function positionOf(
  sorts: Sorts<never>,
  { sort, after }: { readonly sort: string; readonly after?: string },
): Position {
  const { columns } = sortNamed(sorts, sort);
  const isDescending = sort.startsWith('-');
  if (after === undefined) return { columns, isDescending };
  const [of, values] = readCursor(after);
  if (of !== sort || values.length !== columns.length) {
    throw new AppError(
      'bad_input',
      `Cannot read the query: "after" is a cursor of sort ${excerpt(of)}, and "sort" is ${sort}. Use the cursor with its own sort.`,
    );
  }
  return { columns, isDescending, after: values };
}

function readCursor(text: string): [string, Value[]] {
  try {
    return parseCursor(
      readJson(Buffer.from(text, 'base64url'), 'the cursor', { bytesMax: CURSOR_CHARS_MAX }),
    );
  } catch (cause) {
    throw new AppError(
      'bad_input',
      `Cannot read the query: "after" is ${excerpt(text)}, expected the "next" of a page of this list.`,
      { cause },
    );
  }
}

/** Of up to `limit + 1` rows, the page, and the cursor behind it when there are more. */
export function sortedPage<Row>(
  sorts: Sorts<Row>,
  { sort, limit }: { readonly sort: string; readonly limit: number },
  rows: readonly Row[],
): { readonly rows: Row[]; readonly next?: string } {
  return pageOf(rows, limit, (row) => cursorAt(sorts, sort, row));
}

/** How many rows a page reads for a filter that no index serves. */
export const SCANNED_ROWS_MAX = 5_000;

/**
 * As `sortedPage`, of the first `scanLimit` rows behind the cursor and of them those that are wanted. A page that ends before it is full goes
 * on behind the last row that was read: its cost has a bound, however few rows are wanted.
 */
export function scannedPage<Row>(
  sorts: Sorts<Row>,
  { sort, limit }: { readonly sort: string; readonly limit: number },
  scan: {
    readonly rows: readonly Row[];
    readonly isWanted: (row: Row) => boolean;
    readonly scanLimit: number;
  },
): { readonly rows: Row[]; readonly next?: string } {
  const wanted = scan.rows.filter(scan.isWanted);
  const last = scan.rows.at(-1);
  if (wanted.length > limit || scan.rows.length < scan.scanLimit || last === undefined) {
    return sortedPage(sorts, { sort, limit }, wanted);
  }
  return { rows: wanted, next: cursorAt(sorts, sort, last) };
}

function cursorAt<Row>(sorts: Sorts<Row>, sort: string, row: Row): string {
  return Buffer.from(JSON.stringify([sort, sortNamed(sorts, sort).valuesOf(row)])).toString('base64url');
}

function sortNamed<Row>(sorts: Sorts<Row>, sort: string): Sort<Row> {
  return ownValue(sorts, sort.replace(/^-/, '')) as Sort<Row>;
}

/** Orders `query` by the sort and begins behind the cursor. */
export function inOrder<DB, TB extends keyof DB, O>(
  query: SelectQueryBuilder<DB, TB, O>,
  { columns, isDescending, after }: Position,
): SelectQueryBuilder<DB, TB, O> {
  const references = columns as readonly ReferenceExpression<DB, TB>[];
  let ordered = query;
  for (const column of references) ordered = ordered.orderBy(column as never, isDescending ? 'desc' : 'asc');
  if (after === undefined) return ordered;
  const left = sql.join(columns.map((column) => sql.ref(column)));
  const right = sql.join(after.map((value) => sql`${value}`));
  return ordered.where(sql<boolean>`(${left}) ${sql.raw(isDescending ? '<' : '>')} (${right})`);
}

/** `Link: <…>; rel="next"` (RFC 8288) on every page that another one follows, for programs that follow links. */
export function addPageLinks(api: FastifyInstance): void {
  api.addHook('preSerialization', async (request, reply, payload) => {
    const { next } = (payload ?? {}) as { next?: unknown };
    if (request.method !== 'GET' || typeof next !== 'string') return payload;
    const url = new URL(request.url, 'https://hub');
    url.searchParams.set('after', next);
    void reply.header('link', `<${url.pathname}${url.search}>; rel="next"`);
    return payload;
  });
}
