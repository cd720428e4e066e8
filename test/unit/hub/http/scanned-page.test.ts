/** Pages of lists with a filter that no index serves. */
import { describe, expect, it } from 'vitest';
import { positionOf, type Sorts, scannedPage } from '../../../../hub/http/sorting.ts';

interface Row {
  readonly id: number;
}
const sorts: Sorts<Row> = { id: { columns: ['id'], valuesOf: ({ id }) => [id] } };

/** Ids of every page, read `scanLimit` rows at a time. */
function pagesOf(count: number, isWanted: (row: Row) => boolean, limit: number, scanLimit: number) {
  const pages: number[][] = [];
  for (let after: string | undefined; ; ) {
    const query = { sort: 'id', ...(after === undefined ? {} : { after }) };
    const from = Number(positionOf(sorts, query).after?.[0] ?? -1) + 1;
    const rows = Array.from({ length: Math.min(scanLimit, count - from) }, (_, i) => ({ id: from + i }));
    const page = scannedPage(sorts, { sort: 'id', limit }, { rows, isWanted, scanLimit });
    pages.push(page.rows.map(({ id }) => id));
    if (page.next === undefined) return pages;
    after = page.next;
  }
}

describe('a page of rows that are scanned', () => {
  it('goes on behind the last row read where too few are wanted, also when none is', () => {
    expect(pagesOf(10, ({ id }) => id === 9, 2, 4)).toEqual([[], [], [9]]);
    expect(pagesOf(8, () => false, 2, 4)).toEqual([[], [], []]);
  });

  it('is never longer than the limit, and loses no row and gives none twice', () => {
    for (const limit of [1, 2, 3, 4]) {
      for (const scanLimit of [limit + 1, 6, 20]) {
        for (const every of [1, 2, 3, 7]) {
          const pages = pagesOf(20, ({ id }) => id % every === 0, limit, scanLimit);
          expect(Math.max(...pages.map(({ length }) => length))).toBeLessThanOrEqual(limit);
          const wanted = Array.from({ length: 20 }, (_, id) => id).filter((id) => id % every === 0);
          expect(pages.flat()).toEqual(wanted);
        }
      }
    }
  });
});
