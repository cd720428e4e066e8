/** The table of rollups: one row for each version, span of time and cell, and one for all cells of the version together. */
import { type Selectable, sql, type Transaction } from 'kysely';
import type { Database } from '../../db/database.ts';
import type { Tables } from '../../db/tables.ts';
import { type Cell, type CellFilter, cellOf, cellText } from './cell.ts';
import { dayMs, type RowRange, spanStart } from './spans.ts';

export interface VersionName {
  readonly model: string;
  readonly version: string;
}

export interface RollupKey extends VersionName {
  readonly spanMs: number;
  readonly spanAt: number;
  readonly cell: Cell | typeof allCells;
}

export interface RollupRow extends RollupKey {
  readonly body: Uint8Array;
}

export interface RollupQuery extends VersionName {
  readonly ranges: readonly RowRange[];
  readonly filter: CellFilter;
}

interface OldSpans {
  readonly spanMs: number;
  readonly beforeMs: number;
}

/** The row of all cells. No name of a group, an arm or a rollout is a star. */
export const allCells = { rolloutId: '*', arm: '*', segment: '*', group: '*' } as const;

const PAGE_ROWS = 200;

export class RollupStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Bodies of the rows that exist, by `rollupText`. */
  async bodies(tx: Transaction<Tables>, keys: readonly RollupKey[]): Promise<Map<string, Uint8Array>> {
    if (keys.length === 0) return new Map();
    const wanted = sql.join(
      keys.map(
        ({ model, version, spanMs, spanAt, cell }) =>
          sql`(${model}, ${version}, ${spanMs}, ${spanAt}, ${cell.rolloutId}, ${cell.arm}, ${cell.segment}, ${cell.group})`,
      ),
    );
    const { rows } = await sql<Selectable<Tables['telemetry_rollup']>>`
      select * from telemetry_rollup
      where (model, version, span_ms, span_at, rollout_id, arm, segment, device_group) in (values ${wanted})`.execute(
      tx,
    );
    return new Map(rows.map((row) => [rollupText(fromRow(row)), row.body]));
  }

  async save(tx: Transaction<Tables>, rows: readonly RollupRow[]): Promise<void> {
    if (rows.length === 0) return;
    await tx
      .insertInto('telemetry_rollup')
      .values(
        rows.map(({ model, version, spanMs, spanAt, cell, body }) => ({
          model,
          version,
          span_ms: spanMs,
          span_at: spanAt,
          rollout_id: cell.rolloutId,
          arm: cell.arm,
          segment: cell.segment,
          device_group: cell.group,
          body,
        })),
      )
      .onConflict((conflict) =>
        conflict
          .columns(['model', 'version', 'span_ms', 'span_at', 'rollout_id', 'arm', 'segment', 'device_group'])
          .doUpdateSet((eb) => ({ body: eb.ref('excluded.body') })),
      )
      .execute();
  }

  /** The rows of a query, page by page. Without a filter those of all cells together, so that many groups cost no more than one. */
  async *read({ model, version, ranges, filter }: RollupQuery): AsyncGenerator<RollupRow> {
    const wanted: Partial<RollupKey['cell']> = Object.keys(filter).length === 0 ? allCells : filter;
    for (const { spanMs, fromMs, toMs } of ranges) {
      for (let after: RollupRow | undefined; ; ) {
        let query = this.#database
          .selectFrom('telemetry_rollup')
          .selectAll()
          .where('model', '=', model)
          .where('version', '=', version)
          .where('span_ms', '=', spanMs)
          .where('span_at', '>=', fromMs)
          .where('span_at', '<', toMs);
        if (wanted.rolloutId !== undefined) query = query.where('rollout_id', '=', wanted.rolloutId);
        query =
          wanted.arm === undefined
            ? query.where('arm', '<>', allCells.arm)
            : query.where('arm', '=', wanted.arm);
        if (wanted.segment !== undefined) query = query.where('segment', '=', wanted.segment);
        if (wanted.group !== undefined) query = query.where('device_group', '=', wanted.group);
        if (after) {
          const { spanAt, cell } = after;
          query = query.where(
            sql<boolean>`(span_at, rollout_id, arm, segment, device_group) >
              (${spanAt}, ${cell.rolloutId}, ${cell.arm}, ${cell.segment}, ${cell.group})`,
          );
        }
        const rows = await query
          .orderBy('span_at')
          .orderBy('rollout_id')
          .orderBy('arm')
          .orderBy('segment')
          .orderBy('device_group')
          .limit(PAGE_ROWS)
          .execute();
        for (const row of rows) yield fromRow(row);
        if (rows.length < PAGE_ROWS) break;
        after = fromRow(rows.at(-1)!);
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  }

  /** Versions of the model with a row of a day that overlaps the time, in the order of their text; one search of an index for each. */
  async versions(
    model: string,
    { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
  ): Promise<string[]> {
    const { rows } = await sql<{ version: string }>`
      with recursive known (version) as (
        select min(version) from telemetry_rollup where model = ${model}
        union all
        select (select min(version) from telemetry_rollup where model = ${model} and version > known.version)
        from known where known.version is not null)
      select version from known where version is not null and exists (
        select 1 from telemetry_rollup where model = ${model} and version = known.version and span_ms = ${dayMs}
          and span_at >= ${spanStart(fromMs, dayMs)} and span_at < ${toMs})
      order by version`.execute(this.#database);
    return rows.map(({ version }) => version);
  }

  /** The cells that have a row in one of the ranges. */
  async cells({ model, version, ranges }: Omit<RollupQuery, 'filter'>): Promise<Cell[]> {
    const found = new Map<string, Cell>();
    for (const { spanMs, fromMs, toMs } of ranges) {
      const rows = await this.#database
        .selectFrom('telemetry_rollup')
        .select(['rollout_id', 'arm', 'segment', 'device_group'])
        .distinct()
        .where('model', '=', model)
        .where('version', '=', version)
        .where('span_ms', '=', spanMs)
        .where('span_at', '>=', fromMs)
        .where('span_at', '<', toMs)
        .where('arm', '<>', allCells.arm)
        .execute();
      for (const cell of rows.map(cellOf)) found.set(cellText(cell), cell);
    }
    return [...found.values()];
  }

  /** Rows of spans of `spanMs` that start before `beforeMs`; counts at most `rowsMax`. */
  async findBefore(
    { spanMs, beforeMs }: OldSpans,
    rowsMax: number,
  ): Promise<{ readonly count: number; readonly bytes: number; readonly oldestAt: number | undefined }> {
    const { rows } = await sql<{ oldest: number | null; count: number; bytes: number | null }>`
      select min(span_at) as oldest, count(*) as count, sum(bytes) as bytes from (
        select span_at, length(body) as bytes from telemetry_rollup
        where span_ms = ${spanMs} and span_at < ${beforeMs} order by span_at limit ${rowsMax}) as old`.execute(
      this.#database,
    );
    const { oldest, count, bytes } = rows[0]!;
    return { count, bytes: bytes ?? 0, oldestAt: oldest ?? undefined };
  }

  /** Removes at most `rowsMax` rows of spans of `spanMs` that start before `beforeMs`, oldest first. */
  async removeBefore(
    { spanMs, beforeMs }: OldSpans,
    rowsMax: number,
  ): Promise<{ readonly count: number; readonly bytes: number }> {
    const { rows } = await sql<{ bytes: number }>`
      delete from telemetry_rollup where rowid in (
        select rowid from telemetry_rollup where span_ms = ${spanMs} and span_at < ${beforeMs}
        order by span_at limit ${rowsMax})
      returning length(body) as bytes`.execute(this.#database);
    return { count: rows.length, bytes: rows.reduce((sum, { bytes }) => sum + bytes, 0) };
  }
}

export function rollupText({ model, version, spanMs, spanAt, cell }: RollupKey): string {
  return `${model} ${version} ${spanMs} ${spanAt} ${cell.rolloutId} ${cell.arm} ${cell.segment} ${cell.group}`;
}

function fromRow(row: Selectable<Tables['telemetry_rollup']>): RollupRow {
  return {
    model: row.model,
    version: row.version,
    spanMs: row.span_ms,
    spanAt: row.span_at,
    cell: cellOf(row),
    body: row.body,
  };
}
