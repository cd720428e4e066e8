/**
 * Compares a model's outputs with the golden ones: |got − want| ≤ absolute + relative·|want| for each element. NaN
 * equals NaN only, infinity only itself, text only itself.
 */
import { ownValue } from '../base/own-value.ts';
import type { Tolerance } from '../manifest/model-manifest.ts';
import { showShape, tensorValues } from './exact-values.ts';
import type { Tensor } from './tensor.ts';

const exact: Tolerance = { absolute: 0, relative: 0 };

/** The worst fault of one comparison. */
export interface OutputMismatch {
  readonly output: string;
  /** Where in row-major order; absent when the output as a whole is wrong. */
  readonly index?: number;
  readonly got: string;
  readonly want: string;
  /** The difference allowed at this element. */
  readonly allowed?: number;
  /** Elements of the output that are outside the tolerance. */
  readonly wrong?: number;
}

export interface Comparison {
  readonly got: readonly Tensor[];
  readonly want: readonly Tensor[];
  /** By output name; an output without one must be exact. */
  readonly tolerances: Readonly<Record<string, Tolerance>>;
}

/** The worst element of the first output that is wrong, or undefined when all are right. */
export function compareOutputs({ got, want, tolerances }: Comparison): OutputMismatch | undefined {
  for (const wanted of want) {
    const found = got.find((tensor) => tensor.name === wanted.name);
    if (!found) return { output: wanted.name, got: 'no such output', want: describe(wanted) };
    if (describe(found) !== describe(wanted)) {
      return { output: wanted.name, got: describe(found), want: describe(wanted) };
    }
    const mismatch = compareElements(found, wanted, ownValue(tolerances, wanted.name) ?? exact);
    if (mismatch) return mismatch;
  }
  return undefined;
}

/** One sentence that quotes the fault, for messages. */
export function describeMismatch(mismatch: OutputMismatch): string {
  const { output, index, got, want, allowed, wrong } = mismatch;
  if (index === undefined) return `output "${output}" is ${got}, expected ${want}`;
  const others =
    wrong !== undefined && wrong > 1 ? `; ${wrong} elements are out of tolerance, and this is the worst` : '';
  return `output "${output}" element ${index} is ${got}, expected ${want} ± ${allowed}${others}`;
}

function compareElements(got: Tensor, want: Tensor, tolerance: Tolerance): OutputMismatch | undefined {
  const gotValues = tensorValues(got);
  const wantValues = tensorValues(want);
  let worst: { index: number; excess: number; allowed: number } | undefined;
  let wrong = 0;
  for (let index = 0; index < wantValues.length; index += 1) {
    const allowed = allowedDifference(wantValues[index]!, tolerance);
    const difference = differenceOf(gotValues[index]!, wantValues[index]!);
    if (difference <= allowed) continue;
    wrong += 1;
    const excess = difference - allowed;
    if (!worst || excess > worst.excess) worst = { index, excess, allowed };
  }
  if (!worst) return undefined;
  return {
    output: want.name,
    index: worst.index,
    got: String(gotValues[worst.index]),
    want: String(wantValues[worst.index]),
    allowed: worst.allowed,
    wrong,
  };
}

function allowedDifference(want: number | bigint | string, tolerance: Tolerance): number {
  if (typeof want === 'string') return 0;
  const size = Math.abs(Number(want));
  return Number.isFinite(size) ? tolerance.absolute + tolerance.relative * size : 0;
}

function differenceOf(got: number | bigint | string, want: number | bigint | string): number {
  if (Object.is(got, want) || got === want) return 0;
  if (typeof got === 'bigint' && typeof want === 'bigint')
    return Number(got > want ? got - want : want - got);
  if (typeof got === 'number' && typeof want === 'number') {
    const difference = Math.abs(got - want);
    return Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
  }
  return Number.POSITIVE_INFINITY;
}

function describe({ datatype, shape }: Tensor): string {
  return `${datatype} ${showShape(shape)}`;
}
