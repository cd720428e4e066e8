import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { makeLogger } from '../../../platform/logger.ts';
import { RunnerProcess } from '../../../runner/runner-client.ts';
import { encodeStrings } from '../../../shared/inference/exact-values.ts';
import type { Datatype, Tensor } from '../../../shared/inference/tensor.ts';
import type { ElementName } from '../../../shared/onnx/element-datatypes.ts';
import { ModelBuilder } from '../../../shared/onnx/write-model.ts';
import { addModel, brokenModel, crashingModel, float16Model, slowModel } from '../../support/models.ts';
import { fp32 } from '../../support/serving-slot.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const logger = makeLogger('test', 'silent');

async function startRunner(onnx: Uint8Array, options: { provider?: string; loadMsMax?: number } = {}) {
  const file = join(await tempFolder(), 'model.onnx');
  await writeFile(file, onnx);
  const runner = await RunnerProcess.start({ file, provider: 'cpu', ...options }, { logger });
  onTestFinished(() => runner.close());
  return runner;
}

const bytesOf = (values: { readonly buffer: ArrayBuffer }) => new Uint8Array(values.buffer);

/** Values at the ends of each datatype's range. */
const extremes: readonly (readonly [ElementName, Datatype, Uint8Array])[] = [
  ['bool', 'BOOL', Uint8Array.of(1, 0)],
  ['uint8', 'UINT8', Uint8Array.of(0, 255)],
  ['uint16', 'UINT16', bytesOf(Uint16Array.of(0, 65_535))],
  ['uint32', 'UINT32', bytesOf(Uint32Array.of(0, 2 ** 32 - 1))],
  ['uint64', 'UINT64', bytesOf(BigUint64Array.of(0n, 2n ** 64n - 1n))],
  ['int8', 'INT8', bytesOf(Int8Array.of(-128, 127))],
  ['int16', 'INT16', bytesOf(Int16Array.of(-32_768, 32_767))],
  ['int32', 'INT32', bytesOf(Int32Array.of(-(2 ** 31), 2 ** 31 - 1))],
  ['int64', 'INT64', bytesOf(BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n))],
  ['float16', 'FP16', bytesOf(Uint16Array.of(0x3c00, 0xfbff))],
  ['float', 'FP32', bytesOf(Float32Array.of(Number.NaN, -3.4e38))],
  ['double', 'FP64', bytesOf(Float64Array.of(Number.POSITIVE_INFINITY, -1e308))],
  ['string', 'BYTES', encodeStrings(['', 'Grüße, 世界'])],
];

describe('RunnerProcess', () => {
  it('carries every datatype there and back unchanged', async () => {
    const builder = new ModelBuilder('identity');
    for (const [element] of extremes) {
      builder
        .input(`in-${element}`, element, ['n'])
        .node('Identity', { inputs: [`in-${element}`], outputs: [`out-${element}`] })
        .output(`out-${element}`, element, ['n']);
    }
    const runner = await startRunner(builder.encode());
    expect(runner.inputs.map((input) => input.datatype)).toEqual(extremes.map(([, datatype]) => datatype));
    const inputs = extremes.map(
      ([element, datatype, data]): Tensor => ({ name: `in-${element}`, datatype, shape: [2], data }),
    );
    const { outputs } = await runner.infer(inputs);
    for (const [i, [element, datatype, data]] of extremes.entries()) {
      expect(outputs[i]).toMatchObject({ name: `out-${element}`, datatype, shape: [2] });
      expect(Buffer.from(outputs[i]!.data).equals(data), element).toBe(true);
    }
  });

  it('reads tensors whose bytes do not lie on a boundary of their type', async () => {
    const runner = await startRunner(addModel());
    const askew = new Uint8Array(9);
    askew.set(fp32('', [2], [1, 2]).data, 1);
    const { outputs } = await runner.infer([
      { name: 'a', datatype: 'FP32', shape: [2, 1], data: askew.subarray(1) },
      fp32('b', [2, 1], [10, 20]),
    ]);
    expect(outputs[0]?.data).toEqual(fp32('', [2, 1], [11, 22]).data);
  });

  it('refuses a text that ONNX Runtime would cut at a NUL, and takes all others as they are', async () => {
    const runner = await startRunner(
      new ModelBuilder('texts')
        .input('s', 'string', ['n'])
        .node('Identity', { inputs: ['s'], outputs: ['t'] })
        .output('t', 'string', ['n'])
        .encode(),
    );
    const input = (texts: string[]): Tensor => ({
      name: 's',
      datatype: 'BYTES',
      shape: [texts.length],
      data: encodeStrings(texts),
    });
    await expect(runner.infer([input(['a', 'b\0c'])])).rejects.toMatchObject({
      code: 'tensor_invalid',
      message: expect.stringContaining('element 1 of input "s" is "b\\u0000c": it holds a NUL'),
    });
    const exact = input(['\ufefffirst', '\ufffd']);
    expect(Buffer.from((await runner.infer([exact])).outputs[0]!.data)).toEqual(Buffer.from(exact.data));
  });

  it('computes in float16', async () => {
    const runner = await startRunner(float16Model());
    const data = bytesOf(Uint16Array.of(0x3c00, 0xc000));
    const { outputs } = await runner.infer([{ name: 'x', datatype: 'FP16', shape: [1, 2], data }]);
    expect(outputs[0]?.data).toEqual(bytesOf(Uint16Array.of(0x4000, 0xc400)));
  });

  it('leaves out 4-bit outputs, and refuses them by name before they could abort the process', async () => {
    const runner = await startRunner(crashingModel());
    expect(runner.outputs.map((output) => output.name)).toEqual(['y']);
    const input = fp32('x', [1, 2], [1, 2]);
    expect((await runner.infer([input])).outputs).toHaveLength(1);
    await expect(runner.infer([input], { outputs: ['nibbles'] })).rejects.toMatchObject({
      code: 'tensor_type_unsupported',
    });
    expect((await runner.infer([input])).outputs).toHaveLength(1);
  });

  it('refuses bytes that are not those of the shape, and still answers after it', async () => {
    const runner = await startRunner(addModel());
    const good = [fp32('a', [1, 1], [1]), fp32('b', [1, 1], [2])];
    const bad = [{ ...good[0]!, shape: [3, 1] }, good[1]!];
    await expect(runner.infer(bad)).rejects.toMatchObject({
      code: 'tensor_invalid',
      message: expect.stringContaining('"a"'),
    });
    await expect(runner.infer([good[0]!])).rejects.toMatchObject({ code: 'inference_failed' });
    await expect(runner.infer(good)).resolves.toMatchObject({ outputs: [{ name: 'sum' }] });
  });

  it('names what does not load and on which provider', async () => {
    await expect(startRunner(brokenModel())).rejects.toMatchObject({
      code: 'model_does_not_load',
      message: expect.stringContaining('"model.onnx" on provider "cpu"'),
    });
    await expect(startRunner(addModel(), { provider: 'qnn' })).rejects.toMatchObject({
      code: 'provider_unavailable',
      message: expect.stringContaining('cpu'),
    });
  });

  it('gives up on a load that takes too long and leaves no process', async () => {
    await expect(startRunner(addModel(), { loadMsMax: 1 })).rejects.toMatchObject({
      code: 'runner_start_timeout',
    });
  });

  it('ends a runner whose run outlasts its deadline', async () => {
    const runner = await startRunner(slowModel({ steps: 1_000 }));
    const started = performance.now();
    const hung = runner.infer([fp32('x', [1], [1])], { deadlineMs: 200 });
    const behind = runner.infer([fp32('x', [1], [1])], { deadlineMs: 10_000 });
    await expect(hung).rejects.toMatchObject({ code: 'inference_timeout' });
    await expect(behind).rejects.toMatchObject({ code: 'runner_crashed' });
    // The whole run would take some twenty seconds.
    expect(performance.now() - started).toBeLessThan(10_000);
    expect((await runner.exited).fault?.code).toBe('inference_timeout');
    expect(() => process.kill(runner.pid!, 0)).toThrow();
  });

  it('does not count the time a request waits for others against its deadline', async () => {
    const runner = await startRunner(slowModel({ steps: 10 }));
    const input = [fp32('x', [1], [1])];
    const { inferMs } = (await runner.infer(input)).stages;
    const answers = Array.from({ length: 4 }, () => runner.infer(input, { deadlineMs: inferMs * 3 + 200 }));
    await expect(Promise.all(answers)).resolves.toHaveLength(4);
  });

  it('stops waiting when the caller gives up', async () => {
    const runner = await startRunner(slowModel({ steps: 10 }));
    const input = [fp32('x', [1], [1])];
    await expect(runner.infer(input, { signal: AbortSignal.timeout(20) })).rejects.toThrow();
    await expect(runner.infer(input)).resolves.toMatchObject({ outputs: [{ name: 'y' }] });
  });

  it('turns the death of the process into errors of the requests it had', async () => {
    const runner = await startRunner(slowModel({ steps: 50 }));
    const answers = [1, 2].map((x) => runner.infer([fp32('x', [1], [x])]));
    setTimeout(() => process.kill(runner.pid!, 'SIGABRT'), 100);
    for (const answer of answers) await expect(answer).rejects.toMatchObject({ code: 'runner_crashed' });
    expect((await runner.exited).fault?.message).toContain('SIGABRT');
    await expect(runner.infer([fp32('x', [1], [1])])).rejects.toMatchObject({ code: 'runner_crashed' });
  });

  it('tells its resident memory, and ends without a fault when closed', async () => {
    const runner = await startRunner(addModel());
    const { residentBytes, peakBytes } = await runner.memory();
    expect(residentBytes).toBeGreaterThan(10_000_000);
    expect(peakBytes).toBeGreaterThanOrEqual(residentBytes);
    await runner.close();
    expect(await runner.exited).toEqual({});
  });
});
