/**
 * How much the rows of a stream depend on their neighbours, as integers that add up. Rows are cut into blocks of 4, 16, … 1 024 in the
 * order in which they come; each row has a score by its cell, and of each block length the number of blocks, the sum of their scores
 * and the sum of the squares of these sums are kept. Sums over independent rows vary as the number of rows does, over dependent ones
 * more: batch means (G. S. Fishman, "Grouping observations in digital simulation", Management Science 24, 1978).
 */
import { type Static, Type } from 'typebox';

/** Rows of a block; each length is four of the one before. */
export const blockLengths = [4, 16, 64, 256, 1024] as const;

/** Numbers kept for each length: blocks, sum, sum of squares. */
const NUMBERS = 3;
const numbersMax = NUMBERS * blockLengths.length;

/** For each length, ascending, as many as have a block: how many, the sum of their scores, the sum of the squares of these. */
export const BlockNumbers = Type.Array(
  Type.Integer({ minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER }),
  { maxItems: numbersMax },
);
export type BlockNumbers = Static<typeof BlockNumbers>;

/** Scores reach from −SCORE_MAX to SCORE_MAX. */
export const SCORE_MAX = 10;

/** Score of a cell among `cells`: its place in their order. A category has the place that the profile gives it. */
export function scoreOf(cell: number, cells: number): number {
  return Math.floor((cell * (2 * SCORE_MAX + 1)) / cells) - SCORE_MAX;
}

/** Blocks of one length. */
export interface LengthSums {
  readonly rows: number;
  readonly blocks: number;
  readonly sum: number;
  readonly sumSquares: number;
}

/** The flat numbers of a report by length; lengths without a block are left out. */
export function sumsByLength(numbers: readonly number[]): readonly LengthSums[] {
  return blockLengths.flatMap((rows, i) => {
    const [blocks = 0, sum = 0, sumSquares = 0] = numbers.slice(i * NUMBERS, (i + 1) * NUMBERS);
    return blocks > 0 ? [{ rows, blocks, sum, sumSquares }] : [];
  });
}

/** Adds (`sign` 1) or takes away (−1), in place, numbers that may be fewer or more than there are. */
export function addBlockNumbers(sums: number[], more: readonly number[], sign: 1 | -1 = 1): void {
  for (const [i, n] of more.entries()) sums[i] = (sums[i] ?? 0) + sign * n;
}

/** The blocks of one stream that are not full yet; they go on when what is full is taken away. */
export class OpenBlocks {
  #rows = 0;
  /** Score of the open block of each length, without the open blocks of the lengths below. */
  readonly #open = blockLengths.map(() => 0);
  #closed = new Array<number>(numbersMax).fill(0);

  add(score: number): void {
    this.#open[0]! += score;
    this.#rows += 1;
    if (this.#rows % blockLengths[0] === 0) this.#close();
  }

  /** What was filled since the last call: flat numbers without trailing zeros. */
  take(): number[] {
    const closed = this.#closed;
    this.#closed = new Array<number>(numbersMax).fill(0);
    const used = NUMBERS * blockLengths.filter((_, i) => closed[i * NUMBERS]! > 0).length;
    return closed.slice(0, used);
  }

  #close(): void {
    for (const [i, length] of blockLengths.entries()) {
      if (this.#rows % length !== 0) return;
      const sum = this.#open[i]!;
      this.#open[i] = 0;
      this.#closed[i * NUMBERS]! += 1;
      this.#closed[i * NUMBERS + 1]! += sum;
      this.#closed[i * NUMBERS + 2]! += sum * sum;
      if (i + 1 < blockLengths.length) this.#open[i + 1]! += sum;
    }
    // Every length has just begun anew.
    this.#rows = 0;
  }
}
