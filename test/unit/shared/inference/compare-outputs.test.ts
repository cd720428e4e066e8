import { describe, expect, it } from 'vitest';
import { compareOutputs, describeMismatch } from '../../../../shared/inference/compare-outputs.ts';
import { encodeStrings } from '../../../../shared/inference/exact-values.ts';
import type { Datatype, Tensor } from '../../../../shared/inference/tensor.ts';
import type { Tolerance } from '../../../../shared/manifest/model-manifest.ts';
import { fp32 } from '../../../support/serving-slot.ts';

const compare = (got: readonly number[], want: readonly number[], tolerance?: Tolerance) =>
  compareOutputs({
    got: [fp32('y', [got.length], got)],
    want: [fp32('y', [want.length], want)],
    tolerances: tolerance ? { y: tolerance } : {},
  });

describe('compareOutputs', () => {
  it('wants equality where no tolerance is declared', () => {
    expect(compare([1, 2], [1, 2])).toBeUndefined();
    expect(compare([1, 2.5], [1, 2])).toEqual({
      output: 'y',
      index: 1,
      got: '2.5',
      want: '2',
      allowed: 0,
      wrong: 1,
    });
  });

  it('allows absolute + relative·|want|, no more', () => {
    const tolerance = { absolute: 0.5, relative: 0.25 };
    expect(compare([-5.5], [-4], tolerance)).toBeUndefined();
    expect(compare([-5.75], [-4], tolerance)).toMatchObject({ allowed: 1.5 });
  });

  it('reports the element that is worst', () => {
    const mismatch = compare([1.5, 9, 2.5], [1, 2, 2], { absolute: 0.1, relative: 0 })!;
    expect(mismatch).toMatchObject({ index: 1, wrong: 3 });
    expect(describeMismatch(mismatch)).toBe(
      'output "y" element 1 is 9, expected 2 ± 0.1; 3 elements are out of tolerance, and this is the worst',
    );
  });

  it('takes NaN for NaN and infinity for itself, whatever the tolerance', () => {
    const wide = { absolute: 1e9, relative: 1 };
    const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;
    expect(compare([nan, infinity], [nan, infinity], wide)).toBeUndefined();
    expect(compare([nan], [1], wide)).toMatchObject({ got: 'NaN' });
    expect(compare([1], [nan], wide)).toMatchObject({ want: 'NaN' });
    expect(compare([1], [infinity], wide)).toMatchObject({ want: 'Infinity' });
    expect(compare([-infinity], [infinity], wide)).toMatchObject({ got: '-Infinity' });
  });

  it('reports NaN before any number that is out, wherever it stands', () => {
    const { NaN: nan, NEGATIVE_INFINITY: low } = Number;
    expect(compare([900, nan, 1], [1, 1, 1])).toMatchObject({ index: 1, got: 'NaN', wrong: 2 });
    expect(compare([900, 1, 2], [1, nan, 1])).toMatchObject({ index: 1, want: 'NaN', wrong: 3 });
    expect(compare([nan], [low], { absolute: 1e9, relative: 1 })).toMatchObject({
      want: '-Infinity',
      allowed: 0,
    });
    const mismatch = compare([nan, 1], [1, 1], { absolute: Number.MAX_VALUE, relative: 0 })!;
    expect(describeMismatch(mismatch)).toContain('element 0 is NaN, expected 1 ± ');
  });

  it('compares whole numbers beyond 2^53, truth values and text exactly', () => {
    const of = (datatype: Datatype, data: Uint8Array): Tensor[] => [
      { name: 'y', datatype, shape: [1], data },
    ];
    const int64 = (value: bigint) => of('INT64', new Uint8Array(BigInt64Array.of(value).buffer));
    const pairs = [
      [int64(2n ** 53n), int64(2n ** 53n + 1n)],
      [of('BOOL', Uint8Array.of(1)), of('BOOL', Uint8Array.of(0))],
      [of('BYTES', encodeStrings(['a'])), of('BYTES', encodeStrings(['b']))],
    ] as const;
    for (const [got, want] of pairs) {
      expect(compareOutputs({ got: want, want, tolerances: {} })).toBeUndefined();
      expect(compareOutputs({ got, want, tolerances: {} })).toMatchObject({ index: 0 });
    }
  });

  it('reports an output that is missing or has another shape or datatype', () => {
    const want = [fp32('y', [2], [1, 2])];
    expect(compareOutputs({ got: [], want, tolerances: {} })).toMatchObject({ got: 'no such output' });
    const mismatch = compareOutputs({ got: [fp32('y', [1, 2], [1, 2])], want, tolerances: {} })!;
    expect(describeMismatch(mismatch)).toBe('output "y" is FP32 [1, 2], expected FP32 [2]');
  });
});
