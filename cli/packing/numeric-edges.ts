/**
 * Where the cells of a numeric feature lie. Two things make a feature blind: a cell that holds nearly all of the
 * reference and reaches far beyond it, and edges that one outlier draws to itself. So:
 *
 *   - a value that makes up more than a tenth of the reference (and occurs more than once) has a cell of its own, as
 *     narrow as rounding allows: whatever leaves it is seen;
 *   - all other values get edges at their quantiles, or halfway between them where they are few.
 *
 * No cell of more than one value then holds much more than a tenth of the reference.
 */

const POINT_SHARE = 0.1;
/** Cells for what is left beside the points, however little it is. */
const REST_CELLS_MIN = 4;

/** How far the same value may lie from itself: inputs by rounding to FP32, outputs also by how another device computes. */
const WIDTHS = {
  /** Zero: the least normal FP32 number, below which hardware may flush to zero. */
  input: { relative: 1e-6, aboutZero: 2 ** -126 },
  output: { relative: 1e-3, aboutZero: 1e-6 },
} as const;

export interface EdgeOptions {
  /** Cells of the values that are no points, under- and overflow among them. */
  readonly cells: number;
  readonly role: 'input' | 'output';
}

/**
 * Strictly rising finite edges, at least two; fewer than `cells` and two for each point, of which there are nine at most.
 * `values` are finite, at least one.
 */
export function numericEdges(values: readonly number[], { cells, role }: EdgeOptions): number[] {
  const sorted = Float64Array.from(values).sort();
  const runs = runsOf(sorted);
  const isPoint = ({ count }: Run) => runs.length <= 2 || (count > 1 && count > sorted.length * POINT_SHARE);
  const points = new Map<number, Cell>();
  for (const [i, run] of runs.entries()) {
    if (!isPoint(run)) continue;
    const neighbours = [runs[i - 1]?.value, runs[i + 1]?.value] as const;
    points.set(run.value, pointCell(run.value, neighbours, WIDTHS[role]));
  }
  const rest = points.size === 0 ? sorted : sorted.filter((value) => !points.has(value));
  const restCells = Math.max(REST_CELLS_MIN, Math.round((cells * rest.length) / sorted.length));
  const pointCells = [...points.values()];
  const between = restEdges(rest, restCells).filter(
    (edge) => !pointCells.some(([low, high]) => edge > low && edge < high),
  );
  const edges = [...between, ...pointCells.flat()].sort((a, b) => a - b);
  return edges.filter((edge, i) => i === 0 || edge > edges[i - 1]!);
}

interface Run {
  readonly value: number;
  readonly count: number;
}

function runsOf(sorted: Float64Array): Run[] {
  const runs: Run[] = [];
  let from = 0;
  for (let i = 1; i <= sorted.length; i += 1) {
    if (sorted[i] === sorted[from]) continue;
    runs.push({ value: sorted[from]!, count: i - from });
    from = i;
  }
  return runs;
}

type Cell = readonly [low: number, high: number];

/** Lowest and highest edge of a cell that holds `value` and neither of its neighbours. */
function pointCell(
  value: number,
  [below, above]: readonly [number | undefined, number | undefined],
  { relative, aboutZero }: (typeof WIDTHS)['input' | 'output'],
): Cell {
  const half = value === 0 ? aboutZero : Math.abs(value) * relative;
  const low = Math.max(
    value - half,
    -Number.MAX_VALUE,
    below === undefined ? -Infinity : halfway(below, value),
  );
  const high = Math.min(
    value + half,
    Number.MAX_VALUE,
    above === undefined ? Infinity : halfway(value, above),
  );
  // Below 1e-300 or so, half a width is lost in rounding.
  return high > low ? [low, high] : [low, nextAbove(low)];
}

/** Above `a`, at most `b`, and in the middle where there is space. */
function halfway(a: number, b: number): number {
  const middle = a / 2 + b / 2;
  return middle > a && middle <= b ? middle : b;
}

function restEdges(sorted: Float64Array, cells: number): number[] {
  const distinct = firstDistinct(sorted, cells + 1);
  if (distinct.length <= cells) return distinct.slice(1).map((value, i) => halfway(distinct[i]!, value));
  return Array.from({ length: cells - 1 }, (_, i) => quantile(sorted, (i + 1) / cells));
}

/** Linear between order statistics (Hyndman and Fan 1996, type 7), written so that no difference overflows. */
function quantile(sorted: Float64Array, share: number): number {
  const at = (sorted.length - 1) * share;
  const [low, high] = [sorted[Math.floor(at)]!, sorted[Math.ceil(at)]!];
  const part = at - Math.floor(at);
  return low === high ? low : low * (1 - part) + high * part;
}

function firstDistinct(sorted: Float64Array, count: number): number[] {
  const seen: number[] = [];
  for (const value of sorted) {
    if (value !== seen.at(-1)) seen.push(value);
    if (seen.length >= count) break;
  }
  return seen;
}

/** The next number above a finite one. */
function nextAbove(value: number): number {
  if (value === 0) return Number.MIN_VALUE;
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, value);
  bits.setBigInt64(0, bits.getBigInt64(0) + (value > 0 ? 1n : -1n));
  return bits.getFloat64(0);
}
