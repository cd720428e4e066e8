/** Which spans of the clock a rollup has rows for, and which of them cover a time that is asked for. Pure. */
import { limits } from '../../../shared/base/limits.ts';

export const hourMs = 3_600_000;
export const dayMs = 86_400_000;

/** Rows of one size from `fromMs` to before `toMs`. */
export interface RowRange {
  readonly spanMs: number;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface SpanQuery {
  readonly fromMs: number;
  readonly toMs: number;
  readonly now: number;
  /** Length of the shortest span, a divisor of an hour; an hour for what is kept by the hour alone. */
  readonly finestMs: number;
}

/** Start of the span of this length that holds a time. */
export function spanStart(ms: number, spanMs: number): number {
  return Math.floor(ms / spanMs) * spanMs;
}

/** Start of the time whose short spans are still there; a multiple of an hour. */
export function detailFromMs(now: number): number {
  return spanStart(now - limits.telemetryDetailKeptMs, hourMs);
}

/**
 * The rows that together hold [fromMs, toMs) once, as few as there can be: days in the middle, hours around them, the shortest at
 * the ends. The time is widened to the borders of the shortest spans that are kept of it; what is still to come costs nothing.
 */
export function coveringRows({ fromMs, toMs, now, finestMs }: SpanQuery): readonly RowRange[] {
  const finest = fromMs < detailFromMs(now) ? hourMs : finestMs;
  const from = spanStart(fromMs, finest);
  const isOpen = toMs > now;
  const to = isOpen
    ? spanStart(now, dayMs) + dayMs
    : spanEnd(toMs, toMs < detailFromMs(now) ? hourMs : finestMs);
  return cover(from, to, [dayMs, hourMs, finestMs]);
}

function cover(from: number, to: number, [spanMs, ...shorter]: readonly number[]): RowRange[] {
  if (spanMs === undefined || from >= to) return [];
  const first = spanEnd(from, spanMs);
  const last = spanStart(to, spanMs);
  if (first >= last) return cover(from, to, shorter);
  return [...cover(from, first, shorter), { spanMs, fromMs: first, toMs: last }, ...cover(last, to, shorter)];
}

function spanEnd(ms: number, spanMs: number): number {
  return Math.ceil(ms / spanMs) * spanMs;
}
