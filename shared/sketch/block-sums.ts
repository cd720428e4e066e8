/**
 * How much the rows of a stream depend on their neighbours, as integers that add up. Rows are cut into blocks of 1, 8, 64 and 512 in the
 * order in which they come; each row has a score by its cell. Of each block length the number of blocks that follow another one is
 * kept, the sum of the squares of their scores and the sum of the squares of the steps from the block before. Blocks of independent rows vary
 * as the number of their rows does (batch means: G. S. Fishman, Management Science 24, 1978), and their steps twice as much (J. von
 * Neumann, Annals of Mathematical Statistics 12, 1941).
 */
import { type Static, Type } from 'typebox';

/** Rows of a block; each length is eight of the one before. */
export const blockLengths = [1, 8, 64, 512] as const;

/** Numbers kept for each length: blocks, squares, squares of steps. */
const NUMBERS = 3;
const numbersMax = NUMBERS * blockLengths.length;

/** For each length, ascending, as many as have a block: how many follow another one, their squares, the squares of their steps. */
export const BlockNumbers = Type.Array(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }), {
  maxItems: numbersMax,
});
export type BlockNumbers = Static<typeof BlockNumbers>;

/** Scores reach from −SCORE_MAX to SCORE_MAX. */
export const SCORE_MAX = 10;

/** Score of a cell among `cells`: its place in their order. A category has the place that the profile gives it. */
export function scoreOf(cell: number, cells: number): number {
  return Math.floor((cell * (2 * SCORE_MAX + 1)) / cells) - SCORE_MAX;
}

/** Blocks of one length that follow another one. */
export interface LengthSums {
  readonly rows: number;
  readonly blocks: number;
  readonly sumSquares: number;
  readonly squaredSteps: number;
}

/** The flat numbers of a report for each length. */
export function sumsOfAllLengths(numbers: readonly number[]): readonly LengthSums[] {
  return blockLengths.map((rows, i) => {
    const [blocks = 0, sumSquares = 0, squaredSteps = 0] = numbers.slice(i * NUMBERS, (i + 1) * NUMBERS);
    return { rows, blocks, sumSquares, squaredSteps };
  });
}

/** The same without lengths that have no block. */
export function sumsByLength(numbers: readonly number[]): readonly LengthSums[] {
  return sumsOfAllLengths(numbers).filter(({ blocks }) => blocks > 0);
}

/** Blocks that so many rows can fill; one of each length may have begun before them. */
export function blocksMax(length: number, rows: number): number {
  return Math.floor((rows + length - 1) / length);
}

/** The flat numbers of `rows` rows, 0 for lengths with more blocks than these can fill. */
export function fillableBlocks(numbers: readonly number[], rows: number): number[] {
  const fillable = numbers.slice();
  for (const [i, sums] of sumsOfAllLengths(numbers).entries()) {
    if (sums.blocks > blocksMax(sums.rows, rows)) fillable.fill(0, i * NUMBERS, (i + 1) * NUMBERS);
  }
  return fillable;
}

/** Adds in place, `weight` times, numbers that may be fewer or more than there are; a weight of −1 takes them away. */
export function addBlockNumbers(sums: number[], more: readonly number[], weight = 1): void {
  for (const [i, n] of more.entries()) sums[i] = (sums[i] ?? 0) + weight * n;
}

/** The blocks of one stream that are not full yet; they go on when what is full is taken away. */
export class OpenBlocks {
  #rows = 0;
  /** Score of the open block of each length, without the open blocks of the lengths below. */
  readonly #open = blockLengths.map(() => 0);
  /** Score of the last full block of each length. */
  readonly #last: (number | undefined)[] = blockLengths.map(() => undefined);
  #closed = new Array<number>(numbersMax).fill(0);

  add(score: number): void {
    this.#open[0] = score;
    this.#rows += 1;
    for (const [i, length] of blockLengths.entries()) {
      if (this.#rows % length !== 0) return;
      this.#close(i);
    }
    // Every length has just begun anew.
    this.#rows = 0;
  }

  /** What was filled since the last call: flat numbers without trailing zeros. */
  take(): number[] {
    const closed = this.#closed;
    this.#closed = new Array<number>(numbersMax).fill(0);
    const used = NUMBERS * blockLengths.filter((_, i) => closed[i * NUMBERS]! > 0).length;
    return closed.slice(0, used);
  }

  #close(i: number): void {
    const score = this.#open[i]!;
    const last = this.#last[i];
    this.#open[i] = 0;
    this.#last[i] = score;
    if (i + 1 < blockLengths.length) this.#open[i + 1]! += score;
    if (last === undefined) return;
    this.#closed[i * NUMBERS]! += 1;
    this.#closed[i * NUMBERS + 1]! += score * score;
    this.#closed[i * NUMBERS + 2]! += (score - last) ** 2;
  }
}
