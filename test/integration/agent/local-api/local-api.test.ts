import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openLocalApi } from '../../../../agent/local-api/local-api.ts';
import type { ModelServerProps } from '../../../../agent/serving/model-server.ts';
import { makeLogger } from '../../../../platform/logger.ts';
import { systemClock } from '../../../../platform/system-clock.ts';
import { float16Model, linearModel, slowModel } from '../../../support/models.ts';
import { runLocalApi } from '../../../support/running-models.ts';
import { fp32Spec, makeServingSlot } from '../../../support/serving-slot.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

async function serveLinear(props: Partial<ModelServerProps> = {}) {
  const running = await runLocalApi(props);
  const slot = await makeServingSlot({
    folder: await tempFolder(),
    model: 'air',
    onnx: linearModel(),
    inputs: [fp32Spec('x', [-1, 2])],
    outputs: [fp32Spec('y', [-1, 1])],
    manifest: { label: { output: 'y', kind: 'regression' } },
  });
  await running.models.serve(slot, 'cpu', { keepStandby: false });
  return running;
}

const request = { inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] }] };

const badRequests: readonly (readonly [string, unknown, number, string])[] = [
  ['not JSON', '{', 400, 'bad_input'],
  ['nothing', '', 400, 'bad_input'],
  ['no inputs', { inputs: [] }, 400, 'tensor_invalid'],
  ['an unknown datatype', { inputs: [{ ...request.inputs[0], datatype: 'FP31' }] }, 400, 'bad_input'],
  ['an unknown input', { inputs: [{ ...request.inputs[0], name: 'z' }] }, 400, 'tensor_invalid'],
  ['a wrong datatype', { inputs: [{ ...request.inputs[0], datatype: 'INT32' }] }, 400, 'tensor_invalid'],
  ['a wrong shape', { inputs: [{ ...request.inputs[0], shape: [2] }] }, 400, 'tensor_invalid'],
  ['too few values', { inputs: [{ ...request.inputs[0], shape: [2, 2] }] }, 400, 'tensor_invalid'],
  ['an unknown output', { ...request, outputs: [{ name: 'z' }] }, 400, 'tensor_invalid'],
  ['no data', { inputs: [{ ...request.inputs[0], data: undefined }] }, 400, 'tensor_invalid'],
];

async function call(url: string, body?: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(url, {
    headers,
    ...(body !== undefined && {
      method: 'POST',
      body: typeof body === 'string' ? body : JSON.stringify(body),
    }),
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: text.startsWith('{') ? JSON.parse(text) : text,
  };
}

/** One request with exactly these headers, which fetch would not send. */
function callRaw(port: number, lines: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.end(`${lines.join('\r\n')}\r\n\r\n`));
    let answer = '';
    socket.setEncoding('utf8').on('data', (text) => {
      answer += text;
    });
    socket.on('end', () => resolve(answer)).on('error', reject);
  });
}

describe('local API', () => {
  it('tells health, server and model as the Open Inference Protocol has them', async () => {
    const { api } = await serveLinear();
    expect(await call(`${api.url}/v2/health/live`)).toMatchObject({ status: 200, body: { live: true } });
    expect(await call(`${api.url}/v2/health/ready`)).toMatchObject({ status: 200, body: { ready: true } });
    expect((await call(`${api.url}/v2`)).body).toMatchObject({
      name: 'triton',
      server: 'modelfleet-agent',
      version: '0.0.0',
    });
    const metadata = {
      name: 'air',
      versions: ['1.0.0'],
      platform: 'onnx_onnxv1',
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }],
    };
    expect((await call(`${api.url}/v2/models/air`)).body).toEqual(metadata);
    expect((await call(`${api.url}/v2/models/air/versions/1.0.0`)).body).toEqual(metadata);
    expect((await call(`${api.url}/v2/models/air/ready`)).body).toEqual({ name: 'air', ready: true });
    expect((await call(`${api.url}/v2/repository/index`, {})).body).toContain('READY');
  });

  it('answers flat and nested data, echoes the id, and takes a version', async () => {
    const { api } = await serveLinear();
    const answer = await call(`${api.url}/v2/models/air/infer`, { id: 'r1', ...request });
    expect(answer.body).toEqual({
      model_name: 'air',
      model_version: '1.0.0',
      id: 'r1',
      outputs: [{ name: 'y', datatype: 'FP32', shape: [1, 1], data: [3] }],
    });
    const nested = {
      inputs: [
        {
          ...request.inputs[0],
          shape: [2, 2],
          data: [
            [1, 2],
            [3, 4],
          ],
        },
      ],
    };
    const second = await call(`${api.url}/v2/models/air/versions/1.0.0/infer`, nested);
    expect(second.body).toMatchObject({ id: expect.any(String), outputs: [{ data: [3, 7] }] });
  });

  it('refuses bad requests with a code, and counts them against nobody', async () => {
    const { api, models } = await serveLinear();
    for (const [what, body, status, code] of badRequests) {
      const answer = await call(`${api.url}/v2/models/air/infer`, body);
      const wanted = { status, body: { code, error: expect.stringMatching(/^Cannot /) } };
      expect(answer, what).toMatchObject(wanted);
    }
    expect(models.figures('air')).toMatchObject({ requests: 0, failed: 0 });
  });

  it('answers 404 with a code for what it does not serve', async () => {
    const { api } = await serveLinear();
    const missing = { status: 404, body: { code: 'model_not_served' } };
    expect(await call(`${api.url}/v2/models/none`)).toMatchObject(missing);
    expect(await call(`${api.url}/v2/models/none/infer`, request)).toMatchObject(missing);
    expect(await call(`${api.url}/v2/models/air/versions/9.9.9/infer`, request)).toMatchObject(missing);
    expect(await call(`${api.url}/elsewhere`)).toMatchObject({ status: 404, body: { code: 'not_found' } });
  });

  it('takes and gives raw tensors, which is the way for FP16', async () => {
    const { api, models } = await runLocalApi();
    const spec = (name: string) => ({ name, datatype: 'FP16' as const, shape: [-1, 2] });
    const slot = await makeServingSlot({
      folder: await tempFolder(),
      onnx: float16Model(),
      inputs: [spec('x')],
      outputs: [spec('y')],
    });
    await models.serve(slot, 'cpu', { keepStandby: false });
    const url = `${api.url}/v2/models/m/infer`;
    const json = { inputs: [{ name: 'x', datatype: 'FP16', shape: [1, 2], data: [1, 2] }] };
    expect(await call(url, json)).toMatchObject({
      status: 501,
      body: { code: 'tensor_type_unsupported', error: expect.stringContaining('binary_data_size') },
    });
    const header = JSON.stringify({
      parameters: { binary_data_output: true },
      inputs: [{ name: 'x', datatype: 'FP16', shape: [1, 2], parameters: { binary_data_size: 4 } }],
    });
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'inference-header-content-length': String(header.length) },
      body: Buffer.concat([Buffer.from(header), Buffer.from(Uint16Array.of(0x3c00, 0xc000).buffer)]),
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    const jsonBytes = Number(response.headers.get('inference-header-content-length'));
    expect(JSON.parse(bytes.subarray(0, jsonBytes).toString()).outputs).toEqual([
      { name: 'y', datatype: 'FP16', shape: [1, 2], parameters: { binary_data_size: 4 } },
    ]);
    expect(bytes.subarray(jsonBytes)).toEqual(Buffer.from(Uint16Array.of(0x4000, 0xc400).buffer));
  });

  it('takes a label by the id of its answer, once', async () => {
    const { api, recording } = await serveLinear();
    const url = `${api.url}/v2/models/air/feedback`;
    const { id } = (await call(`${api.url}/v2/models/air/infer`, request)).body;
    expect(await call(url, { id, label: 2.5 })).toMatchObject({ status: 200, body: { id } });
    expect(recording.told.at(-1)).toBe('labelled 1.0.0 3 2.5');
    expect(await call(url, { id, label: 2.5 })).toMatchObject({ status: 409, body: { code: 'label_known' } });
    expect(await call(url, { id: 'x', label: 1 })).toMatchObject({
      status: 404,
      body: { code: 'prediction_unknown' },
    });
    expect(await call(url, { label: 1 })).toMatchObject({ status: 400, body: { code: 'bad_input' } });
    expect(await call(url, { id, label: 1, lable: 2 })).toMatchObject({
      status: 400,
      body: { error: expect.stringContaining('/lable is not a known field; did you mean "label"?') },
    });
  });

  it('answers 503 with retry-after while the runner is down', async () => {
    const { api, models } = await serveLinear();
    process.kill(models.find('air').supervisor.pid!, 'SIGKILL');
    await expect.poll(() => models.find('air').supervisor.ready, { interval: 1 }).toBe(false);
    const answer = await call(`${api.url}/v2/models/air/infer`, request);
    expect(answer).toMatchObject({ status: 503, body: { code: 'model_not_ready' } });
    expect(answer.headers.get('retry-after')).toBe('1');
  });

  it('answers 504 for a run over its deadline', async () => {
    const { api, models } = await runLocalApi({ deadlineMs: 200 });
    const slot = await makeServingSlot({
      folder: await tempFolder(),
      onnx: slowModel({ steps: 200 }),
      inputs: [fp32Spec('x', [1])],
      outputs: [fp32Spec('y', [1])],
    });
    await models.serve(slot, 'cpu', { keepStandby: false });
    const body = { inputs: [{ name: 'x', datatype: 'FP32', shape: [1], data: [1] }] };
    expect(await call(`${api.url}/v2/models/m/infer`, body)).toMatchObject({
      status: 504,
      body: { code: 'inference_timeout' },
    });
  });

  it('counts requests refused for their tensors, with the reason Triton gives to what is no failure of the model', async () => {
    const { api } = await serveLinear();
    for (const shape of [[2], [2, 2]]) {
      await call(`${api.url}/v2/models/air/infer`, { inputs: [{ ...request.inputs[0], shape }] });
    }
    await call(`${api.url}/v2/models/air/infer`, new TextDecoder().decode(new Uint8Array(12)), {
      'inference-header-content-length': '0',
    });
    await call(`${api.url}/v2/models/air/infer`, '{');
    const { body } = await call(`${api.url}/metrics/triton`);
    expect(body).toContain('nv_inference_request_failure{model="air",version="1.0.0",reason="OTHER"} 3');
  });

  it('counts every request that it turned away for want of space', async () => {
    const { api, models } = await runLocalApi({ deadlineMs: 1_000 });
    const slot = await makeServingSlot({
      folder: await tempFolder(),
      onnx: slowModel({ steps: 4 }),
      inputs: [fp32Spec('x', [1])],
      outputs: [fp32Spec('y', [1])],
    });
    await models.serve(slot, 'cpu', { keepStandby: false });
    const body = { inputs: [{ name: 'x', datatype: 'FP32', shape: [1], data: [1] }] };
    const ask = () => call(`${api.url}/v2/models/m/infer`, body);
    await ask();
    const answers = await Promise.all(Array.from({ length: 150 }, ask));
    const turnedAway = answers.filter((answer) => answer.body.code === 'overloaded').length;
    expect(turnedAway).toBeGreaterThan(0);
    const { body: metrics } = await call(`${api.url}/metrics/triton`);
    expect(metrics).toContain(
      `nv_inference_request_failure{model="m",version="1.0.0",reason="REJECTED"} ${turnedAway}`,
    );
  }, 30_000);

  it('answers a raw request with the version before where only that one makes it out', async () => {
    const { api, models } = await serveLinear();
    const wider = await makeServingSlot({
      folder: await tempFolder(),
      model: 'air',
      version: '2.0.0',
      onnx: linearModel({ features: 3 }),
      inputs: [fp32Spec('x', [-1, 3])],
      outputs: [fp32Spec('y', [-1, 1])],
    });
    await models.serve(wider, 'cpu', { keepStandby: true });
    const raw = (features: number) =>
      fetch(`${api.url}/v2/models/air/infer`, {
        method: 'POST',
        headers: { 'inference-header-content-length': '0' },
        body: new Float32Array(features),
      });
    expect(await (await raw(2)).text()).toContain('"model_version":"1.0.0"');
    expect(await (await raw(3)).text()).toContain('"model_version":"2.0.0"');
    expect((await raw(5)).status).toBe(400);
    expect(models.figures('air')).toMatchObject({ requests: 1, refused: 1 });
  });

  it('closes in spite of a client that never finishes its request', async () => {
    const { api } = await serveLinear();
    const client = connect(api.port, '127.0.0.1').setEncoding('utf8');
    onTestFinished(() => void client.destroy());
    client.on('error', () => undefined);
    client.write(
      'POST /v2/models/air/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n',
    );
    // The request has begun, and its body is waited for.
    expect((await once(client, 'data'))[0]).toMatch(/^HTTP\/1.1 100 Continue/);
    client.write('{"half"');
    const began = performance.now();
    await api.close();
    expect(performance.now() - began).toBeLessThan(8_000);
  }, 15_000);

  it('answers what comes on open connections while it closes, and ends them', async () => {
    const { api } = await serveLinear();
    const client = connect(api.port, '127.0.0.1').setEncoding('utf8');
    onTestFinished(() => void client.destroy());
    const body = JSON.stringify(request);
    const whole = `POST /v2/models/air/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    // A connection on which a head has begun is not idle.
    client.write(whole.slice(0, 30));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const closed = api.close();
    await new Promise((resolve) => setTimeout(resolve, 100));
    client.write(whole.slice(30));
    let answer = '';
    for await (const text of client) answer += text;
    expect(answer).toMatch(/^HTTP\/1.1 200 OK\r\n/);
    expect(answer).toMatch(/^connection: close\r$/im);
    await closed;
  });

  it('refuses requests for another host and from web pages', async () => {
    const { api } = await serveLinear();
    const get = (host: string, ...more: string[]) =>
      callRaw(api.port, ['GET /v2 HTTP/1.1', `Host: ${host}`, 'Connection: close', ...more]);
    expect(await get(`localhost:${api.port}`)).toContain('200 OK');
    expect(await get(`rebound.example:${api.port}`)).toMatch(/403 Forbidden.*host_refused/s);
    expect(await get('127.0.0.1', 'Origin: https://page.example')).toMatch(/403 Forbidden.*host_refused/s);
    expect(await get('localhost', 'Host: rebound.example')).toMatch(/400 Bad Request.*bad_input/s);
    const foreign = ['GET http://rebound.example/v2 HTTP/1.1', 'Host: localhost', 'Connection: close'];
    expect(await callRaw(api.port, foreign)).toMatch(/403 Forbidden.*host_refused/s);
  });

  it('names the port that another program has', async () => {
    const { api, ...running } = await serveLinear();
    const second = openLocalApi({
      ...running,
      clock: systemClock,
      port: api.port,
      version: '0.0.0',
      logger: makeLogger('test', 'silent'),
    });
    await expect(second).rejects.toMatchObject({ code: 'port_in_use' });
  });
});
