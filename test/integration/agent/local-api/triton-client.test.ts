/**
 * What Triton's own clients send and expect, byte for byte as they write it (triton-inference-server/client,
 * `tritonclient/http`, and the HTTP back end of its performance analyser).
 */
import { deflateSync, gzipSync } from 'node:zlib';
import { request as undiciRequest } from 'undici';
import { describe, expect, it } from 'vitest';
import { limits } from '../../../../shared/base/limits.ts';
import { classifierModel, linearModel, slowModel } from '../../../support/models.ts';
import { runLocalApi } from '../../../support/running-models.ts';
import { fp32Spec, makeServingSlot } from '../../../support/serving-slot.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const HEADER_LENGTH = 'inference-header-content-length';

async function serveClassifier() {
  const running = await runLocalApi();
  const slot = await makeServingSlot({
    folder: await tempFolder(),
    model: 'kinds',
    onnx: classifierModel(),
    inputs: [fp32Spec('x', [-1, 2])],
    outputs: [{ name: 'label', datatype: 'INT64', shape: [-1] }, fp32Spec('probabilities', [-1, 3])],
    manifest: {
      release: 7,
      interface: {
        inputs: [fp32Spec('x', [-1, 2])],
        outputs: [{ name: 'label', datatype: 'INT64', shape: [-1] }, fp32Spec('probabilities', [-1, 3])],
        classes: ['red', 'green', 'blue'],
      },
    },
  });
  await running.models.serve(slot, 'cpu', { keepStandby: false });
  const call = caller(running.api.url);
  return { ...running, call };
}

function caller(url: string) {
  return async (
    path: string,
    options: { method?: string; headers?: Record<string, string>; body?: string | Uint8Array } = {},
  ) => {
    const answer = await undiciRequest(`${url}/${path}`, { method: 'GET', ...options } as never);
    const bytes = Buffer.from(await answer.body.arrayBuffer());
    const jsonBytes = answer.headers[HEADER_LENGTH];
    const text = bytes.subarray(0, jsonBytes === undefined ? bytes.length : Number(jsonBytes)).toString();
    return {
      status: answer.statusCode,
      headers: answer.headers,
      json: /^[{[]/.test(text) ? JSON.parse(text) : undefined,
      raw: jsonBytes === undefined ? undefined : bytes.subarray(Number(jsonBytes)),
    };
  };
}

const floats = (...values: number[]) => Buffer.from(Float32Array.from(values).buffer);

/** `_get_inference_request` of the Python client with binary data, which is its default. */
function binaryRequest(outputs?: readonly object[], parameters: object = {}) {
  const json = JSON.stringify({
    inputs: [{ name: 'x', shape: [2, 2], datatype: 'FP32', parameters: { binary_data_size: 16 } }],
    ...(outputs ? { outputs, parameters } : { parameters: { binary_data_output: true, ...parameters } }),
  });
  const body = Buffer.concat([Buffer.from(json), floats(1, 0, 0, 1)]);
  return { body, headers: { 'Inference-Header-Content-Length': String(json.length) } };
}

function bytesOf(raw: Buffer): string[] {
  const texts: string[] = [];
  for (let at = 0; at < raw.length; at += 4 + raw.readUInt32LE(at)) {
    texts.push(raw.toString('utf8', at + 4, at + 4 + raw.readUInt32LE(at)));
  }
  return texts;
}

describe('a Triton client', () => {
  it('finds health, metadata, configuration and statistics as its examples and its analyser read them', async () => {
    const { call } = await serveClassifier();
    for (const path of ['v2/health/live?test_1=1&test_2=2', 'v2/health/ready', 'v2/models/kinds/ready']) {
      expect((await call(path)).status, path).toBe(200);
    }
    const server = (await call('v2')).json;
    expect(server).toMatchObject({ name: 'triton', server: 'modelfleet-agent' });
    expect(server.extensions).toEqual(
      expect.arrayContaining(['binary_tensor_data', 'classification', 'model_configuration', 'statistics']),
    );
    expect((await call('v2/models/wrong')).json.error).toContain('Request for unknown model');
    for (const path of [
      'v2/models/kinds/config',
      'v2/models/kinds/versions/1.0.0/config',
      'v2/models/kinds/versions/7/config',
    ]) {
      expect((await call(path)).json).toMatchObject({
        name: 'kinds',
        platform: 'onnxruntime_onnx',
        backend: 'onnxruntime',
        max_batch_size: limits.rowsPerPredictionMax,
        input: [{ name: 'x', data_type: 'TYPE_FP32', dims: [2], format: 'FORMAT_NONE', optional: false }],
        output: [
          { name: 'label', data_type: 'TYPE_INT64', dims: [] },
          { name: 'probabilities', data_type: 'TYPE_FP32', dims: [3] },
        ],
        model_transaction_policy: { decoupled: false },
      });
    }
    await call('v2/models/kinds/infer', { method: 'POST', ...binaryRequest() });
    await call('v2/models/kinds/infer', { method: 'POST', body: '{"inputs":[]}' });
    for (const path of [
      'v2/models/kinds/stats',
      'v2/models/stats',
      'v2/models/kinds/versions/1.0.0/stats',
      'v2/models/kinds/versions/7/stats',
    ]) {
      const [stats, ...others] = (await call(path)).json.model_stats;
      expect(others).toEqual([]);
      expect(stats).toMatchObject({
        name: 'kinds',
        // The performance analyser reads it as a whole number, and looks the figures up by that number.
        version: '7',
        version_name: '1.0.0',
        last_inference: expect.any(Number),
        inference_count: 2,
        execution_count: 1,
        inference_stats: {
          success: { count: 1, ns: expect.any(Number) },
          fail: { count: 1 },
          queue: { count: 1 },
          compute_input: { count: 1 },
          compute_infer: { count: 1, ns: expect.any(Number) },
          compute_output: { count: 1 },
          cache_hit: { count: 0, ns: 0 },
          cache_miss: { count: 0, ns: 0 },
        },
        batch_stats: [{ batch_size: 2, compute_infer: { count: 1 } }],
      });
      expect(stats.inference_stats.compute_infer.ns).toBeGreaterThan(0);
      expect(stats.inference_stats.success.ns).toBeGreaterThan(stats.inference_stats.compute_infer.ns);
    }
  });

  it('gets what it asks for in the binary form: all outputs, one, or none named', async () => {
    const { call } = await serveClassifier();
    const infer = (request: object) => call('v2/models/kinds/infer', { method: 'POST', ...request });
    const all = await infer(binaryRequest());
    expect(all.headers['content-type']).toBe('application/octet-stream');
    expect(all.json.outputs).toMatchObject([
      { name: 'label', datatype: 'INT64', shape: [2], parameters: { binary_data_size: 16 } },
      { name: 'probabilities', datatype: 'FP32', shape: [2, 3], parameters: { binary_data_size: 24 } },
    ]);
    expect(all.raw).toHaveLength(40);
    const one = await infer(binaryRequest([{ name: 'label', parameters: { binary_data: true } }]));
    expect([one.raw!.readBigInt64LE(0), one.raw!.readBigInt64LE(8)]).toEqual([0n, 1n]);
    const none = await infer(binaryRequest([]));
    expect(none.json.outputs.map((output: { name: string }) => output.name)).toEqual([
      'label',
      'probabilities',
    ]);
  });

  it.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
  ] as const)('may compress its request with %s', async (encoding, compress) => {
    const { call } = await serveClassifier();
    const { body, headers } = binaryRequest();
    const compressed = { 'Content-Encoding': encoding, 'Accept-Encoding': encoding, ...headers };
    const infer = (sent: Uint8Array) =>
      call('v2/models/kinds/infer', { method: 'POST', headers: compressed, body: sent });
    const answer = await infer(compress(body));
    expect(answer).toMatchObject({ status: 200, json: { model_name: 'kinds' } });
    // The answer is never compressed, which the clients take.
    expect(answer.headers['content-encoding']).toBeUndefined();
    expect(await infer(body)).toMatchObject({ status: 400, json: { code: 'bad_input' } });
    const bomb = compress(Buffer.alloc(limits.inferBodyBytesMax + 1));
    expect(bomb.byteLength).toBeLessThan(100_000);
    expect(await infer(bomb)).toMatchObject({ status: 413, json: { code: 'too_large' } });
    expect(await infer(compress(body).subarray(0, 40))).toMatchObject({ status: 400 });
  });

  it('is told which encodings there are', async () => {
    const { call } = await serveClassifier();
    const headers = { 'Content-Encoding': 'br' };
    expect(await call('v2/models/kinds/infer', { method: 'POST', headers, body: '{}' })).toMatchObject({
      status: 415,
      json: { code: 'encoding_unsupported', error: expect.stringContaining('gzip, deflate') },
    });
  });

  it('gets the highest classes of each sample', async () => {
    const { call } = await serveClassifier();
    const infer = async (parameters: object) =>
      call('v2/models/kinds/infer', {
        method: 'POST',
        ...binaryRequest([{ name: 'probabilities', parameters }]),
      });
    const { json, raw } = await infer({ classification: 2, binary_data: true });
    expect(json.outputs).toMatchObject([{ name: 'probabilities', datatype: 'BYTES', shape: [2, 2] }]);
    const texts = bytesOf(raw!);
    expect(texts.map((text) => text.split(':').slice(1))).toEqual([
      ['0', 'red'],
      ['2', 'blue'],
      ['1', 'green'],
      ['2', 'blue'],
    ]);
    expect(texts[0]).toMatch(/^0\.\d{6}:0:red$/);
    const listed = await infer({ classification: 9, binary_data: false });
    expect(listed.json.outputs[0]).toMatchObject({ shape: [2, 3] });
    expect(listed.json.outputs[0].data).toHaveLength(6);
  });

  it('may send one raw tensor and nothing else', async () => {
    const { call } = await serveClassifier();
    const raw = (body: Uint8Array) =>
      call('v2/models/kinds/infer', {
        method: 'POST',
        headers: { 'Inference-Header-Content-Length': '0' },
        body,
      });
    const answer = await raw(floats(0, 1));
    expect(answer.json.outputs).toMatchObject([
      { name: 'label', shape: [1], parameters: { binary_data_size: 8 } },
      { name: 'probabilities', shape: [1, 3], parameters: { binary_data_size: 12 } },
    ]);
    expect(answer.raw!.readBigInt64LE(0)).toBe(1n);
    for (const body of [floats(1), floats(1, 2, 3, 4), Buffer.alloc(0), Buffer.alloc(7)]) {
      expect(await raw(body)).toMatchObject({ status: 400, json: { code: 'tensor_invalid' } });
    }
  });

  it('sees the repository, whole or what is ready of it, and is told who loads models', async () => {
    const { call, models } = await serveClassifier();
    const index = (body?: string) =>
      call('v2/repository/index', { method: 'POST', ...(body !== undefined && { body }) });
    const ready = [{ name: 'kinds', version: '1.0.0', state: 'READY', reason: '' }];
    for (const body of [undefined, '', '{}', '{"ready":true}'])
      expect((await index(body)).json, body).toEqual(ready);
    expect(await index('{"ready":1}')).toMatchObject({ status: 400, json: { code: 'bad_input' } });
    process.kill(models.find('kinds').supervisor.pid!, 'SIGKILL');
    await expect.poll(() => models.find('kinds').supervisor.ready, { interval: 1 }).toBe(false);
    expect((await index('{"ready":true}')).json).toEqual([]);
    expect((await index()).json).toMatchObject([{ state: 'UNAVAILABLE' }]);
    for (const action of ['load', 'unload']) {
      expect(
        await call(`v2/repository/models/kinds/${action}`, { method: 'POST', body: '{}' }),
      ).toMatchObject({
        status: 501,
        json: { code: 'not_offered', error: expect.stringContaining('hub') },
      });
    }
  });

  it('is told that no state is kept for its sequence, and no answer is made without it', async () => {
    const { call, recording } = await serveClassifier();
    for (const parameters of [
      { sequence_id: 1_000, sequence_start: true, sequence_end: false },
      { sequence_id: 'SEQ-3', sequence_start: false, sequence_end: false },
      { sequence_id: 0, sequence_start: true },
      { sequence_end: true },
    ]) {
      expect(
        await call('v2/models/kinds/infer', { method: 'POST', ...binaryRequest(undefined, parameters) }),
      ).toMatchObject({
        status: 501,
        json: { code: 'not_offered', error: expect.stringContaining('state') },
      });
    }
    expect(recording.told).toEqual(['serving 1.0.0']);
    const none = { sequence_id: '', sequence_start: false, sequence_end: false };
    expect(
      await call('v2/models/kinds/infer', { method: 'POST', ...binaryRequest(undefined, none) }),
    ).toMatchObject({ status: 200 });
  });

  it.each([
    ['v2/logging', 'GET'],
    ['v2/logging', 'POST'],
    ['v2/trace/setting', 'GET'],
    ['v2/models/kinds/trace/setting', 'GET'],
    ['v2/models/kinds/trace/setting', 'POST'],
  ])('is told that %s is not for it to %s', async (path, method) => {
    const { call } = await serveClassifier();
    const body = method === 'POST' ? { body: '{"log_info":true}' } : {};
    expect(await call(path, { method, ...body })).toMatchObject({
      status: 501,
      json: { code: 'not_offered' },
    });
  });

  it('is told that there is no shared memory', async () => {
    const { call } = await serveClassifier();
    for (const kind of ['systemsharedmemory', 'cudasharedmemory']) {
      for (const [method, path] of [
        ['GET', 'status'],
        ['POST', 'unregister'],
        ['POST', 'region/data/register'],
      ] as const) {
        const answer = await call(`v2/${kind}/${path}`, { method, ...(method === 'POST' && { body: '{}' }) });
        expect(answer).toMatchObject({ status: 501, json: { code: 'not_offered' } });
      }
    }
  });

  it('writes the length of its JSON in decimal digits', async () => {
    const { call } = await serveClassifier();
    const { body, headers } = binaryRequest();
    const length = Number(headers['Inference-Header-Content-Length']);
    for (const [written, status] of [
      [String(length), 200],
      [`0${length}`, 200],
      [`0x${length.toString(16)}`, 400],
      [`${length / 10}e1`, 400],
      [`+${length}`, 400],
      [`${length}.0`, 400],
      [`${length}, ${length}`, 400],
      ['', 400],
      ['9'.repeat(400), 400],
    ] as const) {
      const answer = await call('v2/models/kinds/infer', {
        method: 'POST',
        headers: { [HEADER_LENGTH]: written },
        body,
      });
      expect(answer.status, written).toBe(status);
      if (status === 400) expect(answer.json.code, written).toBe('bad_input');
    }
  });

  it('is told which methods a path takes', async () => {
    const { call } = await serveClassifier();
    for (const [method, path, allow] of [
      ['GET', 'v2/models/kinds/infer', 'POST'],
      ['DELETE', 'v2/models/kinds', 'GET, HEAD'],
      ['POST', 'v2/health/live', 'GET, HEAD'],
      ['PUT', 'v2/repository/index', 'POST'],
      ['PATCH', 'metrics', 'GET, HEAD'],
      ['POST', 'v2/models/stats?x', 'GET, HEAD'],
      ['PROPFIND', 'v2/logging', 'GET, HEAD, POST'],
      ['TRACE', 'v2/models/kinds/versions/1.0.0/infer', 'POST'],
    ] as const) {
      const answer = await call(path, { method });
      expect(answer, path).toMatchObject({ status: 405, json: { code: 'method_not_allowed' } });
      expect(answer.headers['allow'], path).toBe(allow);
    }
    expect(await call('v2/models/kinds', { method: 'HEAD' })).toMatchObject({ status: 200, json: undefined });
    for (const method of ['POST', 'PROPFIND', 'TRACE']) {
      expect((await call('v2/nowhere', { method })).json.code, method).toBe('not_found');
    }
    expect((await call('v2/models/%zz')).json.code).toBe('bad_input');
  });

  it('may say how long it waits, at no cost to the version', async () => {
    const { api, models } = await runLocalApi();
    const slot = await makeServingSlot({
      folder: await tempFolder(),
      onnx: slowModel({ steps: 20 }),
      inputs: [fp32Spec('x', [1])],
      outputs: [fp32Spec('y', [1])],
    });
    await models.serve(slot, 'cpu', { keepStandby: false });
    const input = { name: 'x', datatype: 'FP32', shape: [1], data: [1] };
    const infer = (parameters: object) =>
      caller(api.url)('v2/models/m/infer', {
        method: 'POST',
        body: JSON.stringify({ inputs: [input], parameters }),
      });
    const pid = models.find('m').supervisor.pid;
    expect(await infer({ timeout: 1_000 })).toMatchObject({ status: 504, json: { code: 'request_timeout' } });
    expect(
      await infer({ timeout: 60_000_000, priority: 1, sequence_id: 0, sequence_start: false }),
    ).toMatchObject({
      status: 200,
    });
    expect(models.find('m').supervisor.pid).toBe(pid);
    expect(models.figures('m')).toMatchObject({ failed: 0, crashes: 0 });
  }, 30_000);
});

it('a model of several inputs takes no raw request', async () => {
  const { api, models } = await runLocalApi();
  const slot = await makeServingSlot({
    folder: await tempFolder(),
    onnx: linearModel(),
    inputs: [fp32Spec('x', [-1, -1, 2])],
    outputs: [fp32Spec('y', [-1, 1, 1])],
  });
  await models.serve(slot, 'cpu', { keepStandby: false });
  const answer = await caller(api.url)('v2/models/m/infer', {
    method: 'POST',
    headers: { 'Inference-Header-Content-Length': '0' },
    body: Buffer.alloc(6),
  });
  expect(answer).toMatchObject({ status: 400, json: { code: 'tensor_invalid' } });
});
