/** Texts through the local API: as they are, or refused by element; and a model that takes nothing. */
import { describe, expect, it } from 'vitest';
import { encodeStrings, tensorValues } from '../../../../shared/inference/exact-values.ts';
import type { TensorSpec } from '../../../../shared/inference/tensor.ts';
import { constantModel, identityModel } from '../../../support/models.ts';
import { runLocalApi } from '../../../support/running-models.ts';
import { fp32Spec, makeServingSlot } from '../../../support/serving-slot.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const text = (name: string): TensorSpec => ({ name, datatype: 'BYTES', shape: [-1, 1] });

async function serve(onnx: Uint8Array, inputs: TensorSpec[], outputs: TensorSpec[]): Promise<string> {
  const { models, api } = await runLocalApi();
  const slot = await makeServingSlot({ folder: await tempFolder(), onnx, inputs, outputs });
  await models.serve(slot, 'cpu', { keepStandby: false });
  return `${api.url}/v2/models/m/infer`;
}

const serveTexts = () => serve(identityModel('string'), [text('x')], [text('y')]);

function ask(url: string, body: string): Promise<Response> {
  return fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
}

const askTexts = (url: string, data: string) =>
  ask(url, `{"inputs":[{"name":"x","datatype":"BYTES","shape":[2,1],"data":${data}}]}`);

function askRaw(url: string, raw: Uint8Array): Promise<Response> {
  const json = Buffer.from(
    JSON.stringify({
      inputs: [
        { name: 'x', datatype: 'BYTES', shape: [2, 1], parameters: { binary_data_size: raw.byteLength } },
      ],
      outputs: [{ name: 'y', parameters: { binary_data: true } }],
    }),
  );
  return fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/octet-stream',
      'inference-header-content-length': String(json.byteLength),
    },
    body: Buffer.concat([json, raw]),
  });
}

describe('texts through the local API', () => {
  it('come back as they were sent, as JSON and raw', async () => {
    const url = await serveTexts();
    const texts = ['\ufeffGrüße 👍', ' \ufffd '];
    const json = await askTexts(url, JSON.stringify(texts));
    expect(await json.json()).toMatchObject({ outputs: [{ name: 'y', data: texts }] });
    const raw = await askRaw(url, encodeStrings(texts));
    const body = Buffer.from(await raw.arrayBuffer());
    const data = body.subarray(Number(raw.headers.get('inference-header-content-length')));
    expect(tensorValues({ name: 'y', datatype: 'BYTES', shape: [2, 1], data })).toEqual(texts);
  });

  it('are refused by element where the model would see others', async () => {
    const url = await serveTexts();
    const answers: [Response, RegExp][] = [
      [await askTexts(url, '["a","b\\u0000c"]'), /element 1 of input "x" is "b\\u0000c": it holds a NUL/],
      [await askTexts(url, '["a","\\ud83d"]'), /"x": element 1 is "\\ud83d"/],
      [await askRaw(url, Buffer.concat([encodeStrings(['a', 'b\0'])])), /element 1 .* holds a NUL/],
      [
        await askRaw(url, Buffer.concat([encodeStrings(['a']), Uint8Array.of(1, 0, 0, 0, 0xff)])),
        /"x": its element 1 is not UTF-8 \(bytes ff\)/,
      ],
    ];
    for (const [response, message] of answers) {
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({
        code: 'tensor_invalid',
        error: expect.stringMatching(message),
      });
    }
  });
});

it('the local API answers for a model without inputs', async () => {
  const url = await serve(constantModel(), [], [fp32Spec('y', [2])]);
  const response = await ask(url, '{"inputs":[]}');
  expect(await response.json()).toMatchObject({ outputs: [{ name: 'y', data: [3, 4] }] });
});
