/** The local API reads what any program of the device sends: no bytes may do more than be refused with a code. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readInferMessage } from '../../agent/serving/infer-message.ts';
import { isAppError } from '../../shared/base/app-error.ts';
import { tensorValues } from '../../shared/inference/exact-values.ts';
import { type Datatype, datatypes } from '../../shared/inference/tensor.ts';
import { tensorDataToJson, tensorFromJson } from '../../shared/inference/tensor-json.ts';

function refusedOrRead(body: Uint8Array, jsonBytes?: number): void {
  try {
    for (const tensor of readInferMessage(body, jsonBytes).inputs) tensorValues(tensor);
  } catch (error) {
    expect(isAppError(error), String(error)).toBe(true);
    expect((error as { code: string }).code).not.toBe('internal');
  }
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
      FP32: fc.float({ noNaN: true }),
      FP64: fc.double({ noNaN: true }),
      BYTES: fc.string({ unit: 'grapheme' }),
    };
    for (const [name, values] of Object.entries(ranges)) {
      fc.assert(
        fc.property(fc.array(values, { maxLength: 20 }), (data) => {
          const tensor = tensorFromJson({
            name: 't',
            datatype: name as Datatype,
            shape: [data.length],
            data,
          });
          expect(JSON.parse(tensorDataToJson(tensor))).toEqual(data);
        }),
      );
    }
  });
});
