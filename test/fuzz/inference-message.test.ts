/** The local API reads what any program of the device sends: no bytes may do more than be refused with a code. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readInferMessage } from '../../agent/local-api/infer-message.ts';
import { isAppError } from '../../shared/base/app-error.ts';
import { runAtOnce } from '../../shared/base/slices.ts';
import { tensorValues } from '../../shared/inference/exact-values.ts';
import { type Datatype, datatypes, type Tensor } from '../../shared/inference/tensor.ts';
import { readTensorJson, tensorJsonParts } from '../../shared/inference/tensor-json.ts';

function refusedOrRead(body: Uint8Array, jsonBytes?: number): void {
  try {
    for (const tensor of runAtOnce(readInferMessage(body, jsonBytes)).inputs) tensorValues(tensor);
  } catch (error) {
    expect(isAppError(error), String(error)).toBe(true);
    expect((error as { code: string }).code).not.toBe('internal');
  }
}

function readJson(datatype: Datatype, shape: readonly number[], text: string): Tensor {
  const json = Buffer.from(text);
  return runAtOnce(readTensorJson({ name: 't', datatype, shape, json, from: 0, to: json.byteLength }));
}

/** JSON.stringify() loses the sign of −0. */
function toJson(data: readonly unknown[]): string {
  return `[${data.map((value) => (Object.is(value, -0) ? '-0' : JSON.stringify(value))).join(',')}]`;
}

const datatype = fc.constantFrom(...datatypes);
const shape = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 9 });
const input = fc.record(
  {
    name: fc.oneof(fc.string(), fc.constant('x')),
    datatype: fc.oneof(datatype, fc.string()),
    shape: fc.oneof(shape, fc.jsonValue()),
    data: fc.oneof(fc.array(fc.oneof(fc.integer(), fc.double(), fc.boolean(), fc.string())), fc.jsonValue()),
    parameters: fc.record({ binary_data_size: fc.oneof(fc.nat(64), fc.jsonValue()) }, { requiredKeys: [] }),
  },
  { requiredKeys: ['name', 'datatype', 'shape'] },
);

describe('an inference request', () => {
  it('of any bytes is read or refused', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer(), refusedOrRead));
  });

  it('of the right outline and any content is read or refused', () => {
    const request = fc.record({ inputs: fc.array(input, { maxLength: 3 }) });
    fc.assert(
      fc.property(request, fc.uint8Array({ maxLength: 64 }), (value, blob) => {
        const header = Buffer.from(JSON.stringify(value));
        refusedOrRead(Buffer.concat([header, blob]), header.byteLength);
      }),
      { numRuns: 500 },
    );
  });
});

describe('a tensor', () => {
  it('of numbers survives the way through JSON', () => {
    const ranges: Readonly<Partial<Record<Datatype, fc.Arbitrary<unknown>>>> = {
      BOOL: fc.boolean(),
      INT8: fc.integer({ min: -128, max: 127 }),
      UINT32: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      INT64: fc.maxSafeInteger(),
      FP32: fc.float({ noNaN: true, noDefaultInfinity: true }),
      FP64: fc.double({ noNaN: true, noDefaultInfinity: true }),
      BYTES: fc.string({ unit: 'grapheme' }),
    };
    for (const [name, values] of Object.entries(ranges)) {
      fc.assert(
        fc.property(fc.array(values, { maxLength: 20 }), (data) => {
          const tensor = readJson(name as Datatype, [data.length], toJson(data));
          expect(JSON.parse([...tensorJsonParts(tensor)].join(''))).toEqual(data);
        }),
      );
    }
  });

  it('is read as JSON.parse() reads it, or refused', () => {
    const number = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => toJson([value]).slice(1, -1)),
      fc.integer().map(String),
      fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map(String),
      fc.stringMatching(/^-?[0-9]{1,25}(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?$/),
      fc.stringMatching(/^[-+0-9.eENaInfity ]{0,12}$/),
    );
    fc.assert(
      fc.property(number, (text) => {
        let wanted: unknown;
        try {
          wanted = JSON.parse(text.trim() === '' ? '?' : text);
        } catch {
          wanted = undefined;
        }
        let found: number | undefined;
        try {
          found = (tensorValues(readJson('FP64', [1], `[${text}]`)) as Float64Array)[0];
        } catch (error) {
          expect(isAppError(error, 'tensor_invalid'), String(error)).toBe(true);
        }
        if (found !== undefined && Number.isFinite(found)) expect(found).toBe(wanted);
        else expect(Number.isFinite(wanted)).toBe(false);
      }),
      { numRuns: 3_000 },
    );
  });

  it('of 64-bit integers is exact or refused', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 65n), max: 2n ** 65n }), (value) => {
        for (const [datatype, bits] of [
          ['INT64', BigInt.asIntN],
          ['UINT64', BigInt.asUintN],
        ] as const) {
          const isHeld = bits(64, value) === value;
          const read = () => tensorValues(readJson(datatype, [1], `[${value}]`));
          if (isHeld) expect([...(read() as BigInt64Array)]).toEqual([value]);
          else expect(read).toThrow(expect.objectContaining({ code: 'tensor_invalid' }));
        }
      }),
    );
  });

  it('of any text in place of its data is read or refused, and in slices as at once', () => {
    const text = fc.oneof(fc.string(), fc.json(), fc.stringMatching(/^\[[-[\],0-9."\\ utrefalsn]{0,40}$/));
    fc.assert(
      fc.property(datatype, shape, text, (type, sizes, data) => {
        try {
          tensorValues(readJson(type, sizes, data));
        } catch (error) {
          expect(isAppError(error), String(error)).toBe(true);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
