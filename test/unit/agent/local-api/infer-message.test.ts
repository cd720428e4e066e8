import { describe, expect, it } from 'vitest';
import { renderAnswer } from '../../../../agent/local-api/infer-answer.ts';
import { readInferMessage } from '../../../../agent/local-api/infer-message.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { runAtOnce } from '../../../../shared/base/slices.ts';
import { fp32 } from '../../../support/serving-slot.ts';

const raw = fp32('', [2], [1, 2]).data;

/** A request of one raw tensor that says it has `size` bytes. */
function binaryRequest(size: unknown, blob: Uint8Array = raw, input: object = {}) {
  const header = JSON.stringify({
    inputs: [{ name: 'x', datatype: 'FP32', shape: [2], parameters: { binary_data_size: size }, ...input }],
  });
  return { body: Buffer.concat([Buffer.from(header), blob]), jsonBytes: header.length };
}
const read = ({ body, jsonBytes }: { body: Buffer; jsonBytes?: number }) =>
  runAtOnce(readInferMessage(body, jsonBytes));
const readText = (text: string) => read({ body: Buffer.from(text) });
const readJson = (value: unknown) => readText(JSON.stringify(value));
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
      expect(() => read({ body, jsonBytes })).toThrow(coded('bad_input'));
    }
  });

  it('lets a parameter of an output win over that of the request', () => {
    const request = {
      parameters: { binary_data_output: true },
      inputs: [{ name: 'x', datatype: 'FP32', shape: [1], data: [1] }],
      outputs: [{ name: 'a' }, { name: 'b', parameters: { binary_data: false } }],
    };
    const message = readJson(request);
    expect(message.outputs).toEqual(['a', 'b']);
    expect([message.requestedOutput('a').isBinary, message.requestedOutput('b').isBinary]).toEqual([
      true,
      false,
    ]);
  });
});

describe('readInferMessage, of what Triton’s clients may send,', () => {
  const input = { name: 'x', datatype: 'FP32', shape: [1], data: [1] };

  it('takes an empty list of outputs for all of them', () => {
    expect(readJson({ inputs: [input], outputs: [] }).outputs).toBeUndefined();
    expect(readJson({ inputs: [] }).inputs).toEqual([]);
  });

  it('takes how many classes are wanted, and how long the client waits', () => {
    const message = readJson({
      inputs: [input],
      parameters: { timeout: 1_500, sequence_id: 0, priority: 1 },
      outputs: [{ name: 'y', parameters: { classification: 3, binary_data: true } }],
    });
    expect(message.requestedOutput('y')).toEqual({ isBinary: true, classes: 3 });
    expect(message.timeoutMs).toBe(1.5);
    expect(readJson({ inputs: [input], parameters: { timeout: 0 } }).timeoutMs).toBeUndefined();
    for (const timeout of [-1, 1.5, 'soon', true]) {
      expect(() => readJson({ inputs: [input], parameters: { timeout } })).toThrow(coded('bad_input'));
    }
    for (const classification of [-1, 1.5, '3']) {
      const outputs = [{ name: 'y', parameters: { classification } }];
      expect(() => readJson({ inputs: [input], outputs })).toThrow(coded('bad_input'));
    }
  });

  it('refuses shared memory by name', () => {
    const parameters = { shared_memory_region: 'r', shared_memory_byte_size: 4 };
    const shared = { name: 'x', datatype: 'FP32', shape: [1], parameters };
    expect(() => readJson({ inputs: [shared] })).toThrow(coded('not_offered'));
    expect(() => readJson({ inputs: [input], outputs: [{ name: 'y', parameters }] })).toThrow(
      coded('not_offered'),
    );
  });

  it('finds the data wherever it stands, and takes nothing else for it', () => {
    const text =
      '{"note":{"inputs":[{"data":"\\"data\\":[9]"}]}, "inputs" : [ {"d\\u0061ta" : [ 1 , 2 ] ,"data2":[7],' +
      '"shape":[2],"datatype":"FP32","name":"data"},{"name":"data","data":[[3]],"shape":[1,1],"datatype":"INT8"}]}';
    const [a, b] = readText(text).inputs;
    expect([...new Float32Array(a!.data.buffer)]).toEqual([1, 2]);
    expect([...b!.data]).toEqual([3]);
    expect(
      readText('{"inputs":[{"name":"x","datatype":"INT8","shape":[1],"data":[1],"data":[2]}]}').inputs[0]!
        .data,
    ).toEqual(Uint8Array.of(2));
  });

  it.each([
    ['data that is no list', '{"inputs":[{"name":"x","datatype":"INT8","shape":[1],"data":0}]}', 'bad_input'],
    ['data that does not end', '{"inputs":[{"name":"x","datatype":"INT8","shape":[1],"data":[1', 'bad_input'],
    [
      'brackets of another kind',
      '{"inputs":[{"name":"x","datatype":"INT8","shape":[1],"data":[1}]}',
      'bad_input',
    ],
    [
      'a comma too many',
      '{"inputs":[{"name":"x","datatype":"INT8","shape":[1],"data":[1,]}]}',
      'tensor_invalid',
    ],
    ['no comma', '{"inputs":[{"name":"x","datatype":"INT8","shape":[2],"data":[1 2]}]}', 'tensor_invalid'],
    ['depth', `{"inputs":${'['.repeat(3_000)}${']'.repeat(3_000)}}`, 'bad_input'],
    ['depth of the data', `{"inputs":[{"data":${'['.repeat(3_000)}`, 'bad_input'],
    [
      'a shape without end',
      `{"inputs":[{"name":"x","datatype":"INT8","shape":[${'1,'.repeat(limits.inferOutlineBytesMax)}1],"data":[1]}]}`,
      'too_large',
    ],
    ['a name without end', `{"inputs":[{"name":"${'x'.repeat(limits.inferOutlineBytesMax)}"}]}`, 'too_large'],
    [
      'a shape of more values than bytes',
      '{"inputs":[{"name":"x","datatype":"INT8","shape":[2000000000,2000000000],"data":[1]}]}',
      'tensor_invalid',
    ],
  ])('refuses %s', (_, text, code) => {
    expect(() => readText(text)).toThrow(coded(code));
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
