import { describe, expect, it } from 'vitest';
import { readInferMessage, renderAnswer } from '../../../../agent/serving/infer-message.ts';
import { fp32 } from '../../../support/serving-slot.ts';

const raw = fp32('', [2], [1, 2]).data;

/** A request of one raw tensor that says it has `size` bytes. */
function binaryRequest(size: unknown, blob: Uint8Array = raw, input: object = {}) {
  const header = JSON.stringify({
    inputs: [{ name: 'x', datatype: 'FP32', shape: [2], parameters: { binary_data_size: size }, ...input }],
  });
  return { body: Buffer.concat([Buffer.from(header), blob]), jsonBytes: header.length };
}
const read = ({ body, jsonBytes }: { body: Buffer; jsonBytes: number }) => readInferMessage(body, jsonBytes);
const coded = (code: string) => expect.objectContaining({ code });

describe('readInferMessage', () => {
  it('reads raw tensors as views over the body', () => {
    const request = binaryRequest(8);
    const [tensor] = read(request).inputs;
    expect(tensor).toMatchObject({ name: 'x', datatype: 'FP32', shape: [2] });
    expect(Buffer.from(tensor!.data)).toEqual(Buffer.from(raw));
    expect(tensor!.data.buffer).toBe(request.body.buffer);
  });

  it('refuses raw tensors that do not fit the body or their shape', () => {
    expect(() => read(binaryRequest(9))).toThrow(coded('tensor_invalid'));
    expect(() => read(binaryRequest(-8))).toThrow(coded('tensor_invalid'));
    expect(() => read(binaryRequest('8'))).toThrow(coded('tensor_invalid'));
    expect(() => read(binaryRequest(8, raw, { shape: [3] }))).toThrow(coded('tensor_invalid'));
    expect(() => read(binaryRequest(8, raw, { data: [1, 2] }))).toThrow(coded('tensor_invalid'));
    expect(() => read(binaryRequest(8, Buffer.concat([raw, raw])))).toThrow(coded('bad_input'));
  });

  it('refuses a length of the JSON part that the body does not have', () => {
    const { body } = binaryRequest(8);
    for (const jsonBytes of [0, -1, 1.5, Number.NaN, body.byteLength + 1]) {
      expect(() => readInferMessage(body, jsonBytes)).toThrow(coded('bad_input'));
    }
  });

  it('lets the wish of an output win over that of the request', () => {
    const request = {
      parameters: { binary_data_output: true },
      inputs: [{ name: 'x', datatype: 'FP32', shape: [1], data: [1] }],
      outputs: [{ name: 'a' }, { name: 'b', parameters: { binary_data: false } }],
    };
    const message = readInferMessage(Buffer.from(JSON.stringify(request)));
    expect(message.outputs).toEqual(['a', 'b']);
    expect([message.isBinary('a'), message.isBinary('b')]).toEqual([true, false]);
  });
});

describe('renderAnswer', () => {
  const answer = {
    model: 'm',
    version: '1.0.0',
    id: 'quote " in it',
    outputs: [fp32('a', [2], [1, 2]), fp32('b"', [1], [3])],
  };

  it('writes JSON', () => {
    const { body, jsonBytes } = renderAnswer(answer, () => false);
    expect(jsonBytes).toBeUndefined();
    expect(JSON.parse(String(body))).toEqual({
      model_name: 'm',
      model_version: '1.0.0',
      id: 'quote " in it',
      outputs: [
        { name: 'a', datatype: 'FP32', shape: [2], data: [1, 2] },
        { name: 'b"', datatype: 'FP32', shape: [1], data: [3] },
      ],
    });
  });

  it('puts raw tensors after the JSON', () => {
    const { body, jsonBytes } = renderAnswer(answer, (output) => output === 'a');
    const bytes = body as Buffer;
    expect(JSON.parse(bytes.subarray(0, jsonBytes).toString()).outputs).toMatchObject([
      { name: 'a', parameters: { binary_data_size: 8 } },
      { name: 'b"', data: [3] },
    ]);
    expect(bytes.subarray(jsonBytes)).toEqual(Buffer.from(raw));
  });
});
