/** Clients that send too much, too slowly, too deep, or never to the end: the others are answered all the while. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { describe, expect, it, onTestFinished } from 'vitest';
import { limits } from '../../../../shared/base/limits.ts';
import { ModelBuilder } from '../../../../shared/onnx/write-model.ts';
import { linearModel } from '../../../support/models.ts';
import { runLocalApi } from '../../../support/running-models.ts';
import { fp32Spec, makeServingSlot } from '../../../support/serving-slot.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const MB = 1024 * 1024;
const good = JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] }] });

async function serve(
  onnx = linearModel(),
  inputs = [fp32Spec('x', [-1, 2])],
  outputs = [fp32Spec('y', [-1, 1])],
) {
  const running = await runLocalApi();
  const slot = await makeServingSlot({ folder: await tempFolder(), onnx, inputs, outputs });
  await running.models.serve(slot, 'cpu', { keepStandby: false });
  const url = `${running.api.url}/v2/models/m/infer`;
  const infer = async (body: string | Uint8Array) => {
    const response = await fetch(url, { method: 'POST', body });
    return { status: response.status, text: await response.text() };
  };
  return { ...running, infer };
}

function open(port: number): Socket {
  const socket = connect(port, '127.0.0.1');
  socket.setEncoding('utf8').on('error', () => undefined);
  onTestFinished(() => void socket.destroy());
  return socket;
}

/** Everything the server says until it ends the connection. */
async function answerBeforeClose(socket: Socket): Promise<string> {
  let words = '';
  socket.on('data', (text) => {
    words += text;
  });
  await once(socket, 'close');
  return words;
}

const head = (length: number, ...more: string[]) =>
  ['POST /v2/models/m/infer HTTP/1.1', 'Host: localhost', `Content-Length: ${length}`, ...more, '', ''].join(
    '\r\n',
  );

describe('the local API', () => {
  it('answers newcomers while every connection it allows is held half-sent', async () => {
    const { api, infer } = await serve();
    const held: Socket[] = [];
    for (let i = 0; i < limits.localConnectionsMax; i += 1) {
      const socket = open(api.port);
      await once(socket, 'connect');
      socket.write(i % 2 === 0 ? 'POST /v2/models/m/inf' : `${head(1_000)}{"inp`);
      held.push(socket);
    }
    for (let i = 0; i < 5; i += 1) {
      const startedMs = performance.now();
      expect(await infer(good)).toMatchObject({ status: 200 });
      // Before the first of those has had its time.
      expect(performance.now() - startedMs).toBeLessThan(0.8 * limits.localHeadMsMax);
    }
  }, 30_000);

  it('ends requests that come too slowly, saying why', async () => {
    const { api } = await serve();
    const slowHead = open(api.port);
    slowHead.write('POST /v2/models/m/infer HTTP/1.1\r\nHost: localhost\r\n');
    const slowBody = open(api.port);
    slowBody.write(head(1_000));
    const drips = setInterval(() => {
      slowHead.write('x');
      slowBody.write(' ');
    }, 100);
    onTestFinished(() => clearInterval(drips));
    const startedMs = performance.now();
    const body = await answerBeforeClose(slowBody);
    expect(body).toMatch(/^HTTP\/1.1 408 .*"code":"request_incomplete"/s);
    expect(await answerBeforeClose(slowHead)).toMatch(/^HTTP\/1.1 408 .*"code":"request_incomplete"/s);
    expect(performance.now() - startedMs).toBeLessThan(5 * limits.localHeadMsMax);
  }, 70_000);

  it('answers everybody of a crowd whose bodies come after their heads', async () => {
    const { api } = await serve();
    const crowd = Array.from({ length: 3 * limits.inferWorkedOnMax }, () => open(api.port));
    for (const socket of crowd) socket.write(head(good.length, 'Connection: close'));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const answers = crowd.map(answerBeforeClose);
    for (const socket of crowd) socket.write(good);
    for (const answer of await Promise.all(answers)) expect(answer).toMatch(/^HTTP\/1.1 200 OK/);
  });

  it('refuses large bodies by their heads while others fill the space for them', async () => {
    const { api, infer } = await serve();
    const holding = [open(api.port), open(api.port)];
    for (const socket of holding) {
      socket.write(head(60 * MB, 'Expect: 100-continue'));
      // It has been let in, and its space is taken.
      expect((await once(socket, 'data'))[0]).toMatch(/^HTTP\/1.1 100 Continue/);
      socket.write('{');
    }
    const third = open(api.port);
    third.write(head(60 * MB, 'Expect: 100-continue'));
    const [answer] = await once(third, 'data');
    expect(answer).toMatch(/^HTTP\/1.1 503 .*retry-after: 1.*"code":"overloaded"/is);
    expect(await infer(good)).toMatchObject({ status: 200 });
  });

  it('invites a body with 100 Continue once it is let in', async () => {
    const { api } = await serve();
    const socket = open(api.port);
    socket.write(head(good.length, 'Expect: 100-continue'));
    expect((await once(socket, 'data'))[0]).toMatch(/^HTTP\/1.1 100 Continue/);
    socket.write(good);
    expect((await once(socket, 'data'))[0]).toMatch(/^HTTP\/1.1 200 OK/);
  });

  it('invites nobody who has not asked: HTTP/1.0 has no such answer, and other expectations are ignored', async () => {
    const { api } = await serve();
    for (const sent of [
      `${head(good.length, 'Expect: 100-continue').replace('HTTP/1.1', 'HTTP/1.0')}${good}`,
      `${head(good.length, 'Expect: tea')}${good}`,
    ]) {
      const socket = open(api.port);
      socket.write(sent);
      expect((await once(socket, 'data'))[0]).toMatch(/^HTTP\/1.1 200 OK/);
    }
  });

  it('refuses a request without a host with a code', async () => {
    const { api } = await serve();
    const socket = open(api.port);
    socket.write('GET /v2 HTTP/1.1\r\n\r\n');
    expect((await once(socket, 'data'))[0]).toContain('"code":"host_refused"');
  });

  it('keeps a connection usable after it refused a request unread', async () => {
    const { api } = await serve();
    const socket = open(api.port);
    const unread = `POST /v2/models/none/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\n${'x'.repeat(200_000)}`;
    socket.write(unread);
    expect((await once(socket, 'data'))[0]).toContain('model_not_served');
    socket.write(`${head(good.length)}${good}`);
    expect((await once(socket, 'data'))[0]).toMatch(/^HTTP\/1.1 200 OK/);
  });

  it.each([
    [
      'twenty million dimensions',
      `{"inputs":[{"name":"x","datatype":"FP32","shape":[${'1,'.repeat(20_000_000)}1],"data":[1]}]}`,
      413,
    ],
    ['a list of 60 MB where a text is wanted', `{"id":[${'7,'.repeat(30_000_000)}7],"inputs":[]}`, 413],
    [
      'an element of 60 MB',
      `{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":["${'x'.repeat(60_000_000)}"]}]}`,
      400,
    ],
    [
      'twenty million elements too many',
      `{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[${'1,'.repeat(20_000_000)}1]}]}`,
      400,
    ],
    ['nesting 3 000 deep', `{"inputs":${'['.repeat(3_000)}${']'.repeat(3_000)}}`, 400],
    ['nesting 30 million deep', '['.repeat(30_000_000), 400],
  ])('refuses %s without holding anybody up', async (_, body, status) => {
    const { infer } = await serve();
    const delay = monitorEventLoopDelay({ resolution: 1 });
    const bytes = Buffer.from(body);
    delay.enable();
    const answer = await infer(bytes);
    delay.disable();
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.text).code).toMatch(/^(bad_input|tensor_invalid|too_large)$/);
    expect(answer.text.length).toBeLessThan(600);
    // The client, which copies the body, is in this process too.
    expect(delay.max / 1e6).toBeLessThan(2_000);
  });

  it.each([
    ['nesting 3 000 deep', `{"id":"a","label":${'['.repeat(3_000)}${']'.repeat(3_000)}}`, 400],
    ['half a million brackets', '['.repeat(500_000), 400],
    ['two million brackets', '['.repeat(2_000_000), 413],
    ['a list of a megabyte', `{"ready":[${'1,'.repeat(500_000)}1]}`, 400],
    ['a list of 4 MB', `{"id":"a","label":[${'1,'.repeat(2_000_000)}1]}`, 413],
    ['a hundred thousand fields', `{${Array.from({ length: 100_000 }, (_, n) => `"${n}":1`)}}`, 400],
    ['a field of half a megabyte', `{"${'x'.repeat(500_000)}":1}`, 400],
    ['a field that is misspelt', '{"redy":true}', 400],
  ])('refuses %s in its small bodies, at little cost', async (_, body, status) => {
    const { api } = await serve();
    for (const path of ['/v2/models/m/feedback', '/v2/repository/index']) {
      const startedMs = performance.now();
      const response = await fetch(`${api.url}${path}`, { method: 'POST', body });
      const text = await response.text();
      expect(performance.now() - startedMs, path).toBeLessThan(2_000);
      expect(response.status, path).toBe(status);
      expect(JSON.parse(text).code, path).toMatch(/^(bad_input|too_large)$/);
      expect(text.length, path).toBeLessThan(2_000);
    }
  });

  it('writes a long JSON answer while others are answered', async () => {
    const size = 3_000_000;
    const onnx = new ModelBuilder('wide')
      .input('x', 'float', [1])
      .constant('shape', 'int64', [1], [size])
      .node('Expand', { inputs: ['x', 'shape'], outputs: ['y'] })
      .output('y', 'float', [size])
      .encode();
    const { api, infer } = await serve(onnx, [fp32Spec('x', [1])], [fp32Spec('y', [size])]);
    let lives = 0;
    let isOver = false;
    const asking = (async () => {
      while (!isOver) {
        await fetch(`${api.url}/v2/health/live`);
        lives += 1;
      }
    })();
    const body = JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1], data: [0.1] }] });
    const answer = await infer(body);
    isOver = true;
    await asking;
    expect(answer.status).toBe(200);
    const [output] = JSON.parse(answer.text).outputs;
    expect(output.shape).toEqual([size]);
    expect(output.data).toHaveLength(size);
    expect(output.data[size - 1]).toBe(Math.fround(0.1));
    expect(lives).toBeGreaterThan(20);
  }, 60_000);
});
