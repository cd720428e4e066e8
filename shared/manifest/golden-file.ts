/**
 * The golden file of a version (`golden.json`): inputs and the outputs that were right where the version was made.
 * A device runs them before the version may serve. Tensor bytes are base64 of `Tensor.data`.
 */
import { type Static, Type } from 'typebox';
import { limits } from '../base/limits.ts';
import { jsonParser } from '../base/parse.ts';
import { TensorSpec } from '../inference/tensor.ts';

const GoldenTensor = Type.Intersect([TensorSpec, Type.Object({ data: Type.String() })]);

export const GoldenFile = Type.Object({
  v: Type.Literal(1),
  samples: Type.Array(
    Type.Object({
      inputs: Type.Array(GoldenTensor, { maxItems: limits.tensorsPerModelMax }),
      outputs: Type.Array(GoldenTensor, { minItems: 1, maxItems: limits.tensorsPerModelMax }),
    }),
    { minItems: 1, maxItems: limits.goldenSamplesMax },
  ),
});
export type GoldenFile = Static<typeof GoldenFile>;

/** Parses the golden file's bytes; throws `bad_input` or `too_large`. */
export const parseGoldenFile = jsonParser(GoldenFile, 'golden file', limits.goldenFileBytesMax);
