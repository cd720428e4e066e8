import { describe, expect, it, vi } from 'vitest';
import type { ModelServer } from '../../../../agent/serving/model-server.ts';
import { RunnerProcess } from '../../../../runner/runner-client.ts';
import { AppError } from '../../../../shared/base/app-error.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { numbersOf } from '../../../../shared/inference/tensor-values.ts';
import type { ModelManifest } from '../../../../shared/manifest/model-manifest.ts';
import { brokenModel, failingModel, linearModel, slowModel } from '../../../support/models.ts';
import { runModels } from '../../../support/running-models.ts';
import { fp32, fp32Spec, makeServingSlot } from '../../../support/serving-slot.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

async function linearSlot(version: string, factor: number, manifest: Partial<ModelManifest> = {}) {
  return makeServingSlot({
    folder: await tempFolder(),
    onnx: linearModel({ weights: [factor, factor] }),
    version,
    inputs: [fp32Spec('x', [-1, 2])],
    outputs: [fp32Spec('y', [-1, 1])],
    manifest,
  });
}

async function slowSlot(steps: number) {
  return makeServingSlot({
    folder: await tempFolder(),
    onnx: slowModel({ steps }),
    inputs: [fp32Spec('x', [1])],
    outputs: [fp32Spec('y', [1])],
  });
}

const x = fp32('x', [1, 2], [1, 1]);
const ask = (models: ModelServer) => models.infer({ model: 'm', inputs: [x] });
const slowInput = { model: 'm', inputs: [fp32('x', [1], [1])] };
const fresh = { keepStandby: false };

describe('ModelServer', () => {
  it('answers with the version it was told to serve and counts it', async () => {
    const { models, recording } = runModels();
    await models.serve(await linearSlot('1.0.0', 2), 'cpu', fresh);
    const answer = await ask(models);
    expect(answer).toMatchObject({ model: 'm', version: '1.0.0', id: expect.any(String) });
    expect([...numbersOf(answer.outputs[0]!)]).toEqual([4]);
    expect(models.figures('m')).toEqual({ requests: 1, failed: 0, refused: 0, crashes: 0 });
    expect(recording.told).toEqual(['serving 1.0.0', 'answered 1.0.0']);
  });

  it('answers for the offer that the version is here for, as soon as that changes', async () => {
    const { models, recording } = runModels();
    const slots = [await linearSlot('1.0.0', 1), await linearSlot('2.0.0', 2)];
    await models.serve(slots[0]!, 'cpu', fresh);
    models.answerFor('m', slots[0]!.manifestSha256, { rollout: 'r1', offer: 1 });
    models.answerFor('m', slots[0]!.manifestSha256, { rollout: 'r1', offer: 1 });
    models.answerFor('m', slots[1]!.manifestSha256, { rollout: 'r2' });
    models.answerFor('unknown', slots[0]!.manifestSha256, { rollout: 'r2' });
    await ask(models);
    // Withdrawn and offered again: what was answered before counts for the offer before.
    models.answerFor('m', slots[0]!.manifestSha256, { rollout: 'r1', offer: 2 });
    await models.serve(slots[1]!, 'cpu', { keepStandby: true, answersFor: { rollout: 'r2' } });
    // The runner of the version before is still warm: what it was here for is not what it is here for now.
    await models.serve(slots[0]!, 'cpu', { keepStandby: true, answersFor: { rollout: 'r3' } });
    await ask(models);
    models.answerFor('m', slots[0]!.manifestSha256, undefined);
    expect(recording.told).toEqual([
      'serving 1.0.0',
      'serving 1.0.0 for r1 1',
      'answered 1.0.0 for r1 1',
      'serving 1.0.0 for r1 2',
      'serving 2.0.0 for r2',
      'serving 1.0.0 for r3',
      'answered 1.0.0 for r3',
      'serving 1.0.0',
    ]);
  });

  it('switches versions under load without dropping a request', async () => {
    const { models, recording } = runModels();
    const slots = [await linearSlot('1.0.0', 1), await linearSlot('2.0.0', 2)];
    await models.serve(slots[0]!, 'cpu', fresh);
    let loading = true;
    const versions: string[] = [];
    const clients = Array.from({ length: 8 }, async () => {
      while (loading) versions.push((await ask(models)).version);
    });
    for (const turn of [1, 0, 1]) {
      await models.serve(slots[turn]!, 'cpu', fresh);
      const before = versions.length;
      await vi.waitFor(() => expect(versions.length).toBeGreaterThan(before + 50));
    }
    loading = false;
    await Promise.all(clients);
    expect(versions.at(-1)).toBe('2.0.0');
    expect(recording.count('answered')).toBe(versions.length);
    expect(recording.count('failed')).toBe(0);
  });

  it('keeps the active version when the next one does not start', async () => {
    const { models } = runModels();
    await models.serve(await linearSlot('1.0.0', 1), 'cpu', fresh);
    const broken = await makeServingSlot({
      folder: await tempFolder(),
      onnx: brokenModel(),
      version: '2.0.0',
      inputs: [],
      outputs: [],
    });
    await expect(models.serve(broken, 'cpu', fresh)).rejects.toMatchObject({ code: 'model_does_not_load' });
    expect((await ask(models)).version).toBe('1.0.0');
  });

  it('survives a crash of the runner: requests fail with a code, then a new runner answers', async () => {
    const { models, recording } = runModels();
    await models.serve(await linearSlot('1.0.0', 1), 'cpu', fresh);
    await ask(models);
    process.kill(models.find('m').supervisor.pid!, 'SIGABRT');
    await vi.waitFor(() => expect(models.find('m').supervisor.ready).toBe(false));
    await expect(ask(models)).rejects.toMatchObject({ code: 'model_not_ready' });
    await vi.waitFor(async () => expect((await ask(models)).version).toBe('1.0.0'), { timeout: 5_000 });
    expect(models.figures('m')).toMatchObject({ crashes: 1, lastError: expect.any(String) });
    expect(recording.count('crashed')).toBe(1);
  });

  it('counts a runner that does not come up again like a crash', async () => {
    let starts = 0;
    const { models } = runModels({
      startRunner: async (...start) => {
        starts += 1;
        if (starts > 1) throw new AppError('model_does_not_load', 'no memory left');
        return RunnerProcess.start(...start);
      },
    });
    await models.serve(await linearSlot('1.0.0', 1), 'cpu', fresh);
    process.kill(models.find('m').supervisor.pid!, 'SIGKILL');
    await vi.waitFor(() => expect(models.figures('m')).toMatchObject({ crashes: 2 }), { timeout: 5_000 });
    expect(models.figures('m')).toMatchObject({ lastError: 'model_does_not_load' });
  });

  it('tells of a failure by its code alone: what the runtime says may quote the request', async () => {
    const { models } = runModels();
    const slot = await makeServingSlot({
      folder: await tempFolder(),
      onnx: failingModel(),
      inputs: [fp32Spec('x', [-1, 2])],
      outputs: [fp32Spec('y', [-1, 1])],
    });
    await models.serve(slot, 'cpu', fresh);
    await expect(ask(models)).rejects.toMatchObject({ code: 'inference_failed' });
    expect(models.figures('m')).toEqual({
      requests: 1,
      failed: 1,
      refused: 0,
      crashes: 0,
      lastError: 'inference_failed',
    });
  });

  it('leaves no runner behind when it is closed while one starts or is qualified', async () => {
    const pids: number[] = [];
    const { models } = runModels({
      startRunner: async (...start) => {
        const runner = await RunnerProcess.start(...start);
        pids.push(runner.pid!);
        return runner;
      },
    });
    const many = { inputs: [fp32('x', [1], [1])], outputs: [fp32('y', [1], [1])] };
    const slow = await makeServingSlot({
      folder: await tempFolder(),
      onnx: slowModel({ steps: 50 }),
      inputs: [fp32Spec('x', [1])],
      outputs: [fp32Spec('y', [1])],
      samples: [many],
    });
    const qualified = models.qualify(slow);
    await vi.waitFor(() => expect(pids).toHaveLength(1), { timeout: 5_000 });
    const served = models.serve(await linearSlot('1.0.0', 1), 'cpu', fresh).catch((error) => error);
    await models.close();
    for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow();
    expect(await served).toMatchObject({ code: 'model_not_ready' });
    expect(await qualified).toMatchObject({ ok: false });
    for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow();
    expect(models.list()).toEqual([]);
  });

  it('lets the standby answer while the version on trial has no runner, and counts it against the trial', async () => {
    const { models } = runModels();
    await models.serve(await linearSlot('1.0.0', 1), 'cpu', fresh);
    await models.serve(await linearSlot('2.0.0', 2), 'cpu', { keepStandby: true });
    expect((await ask(models)).version).toBe('2.0.0');
    process.kill(models.find('m').supervisor.pid!, 'SIGKILL');
    expect((await ask(models)).version).toBe('1.0.0');
    expect(models.figures('m')).toMatchObject({ failed: 1 });
    await expect(models.infer({ model: 'm', version: '2.0.0', inputs: [x] })).rejects.toMatchObject({
      code: 'model_not_ready',
    });
  });

  it('goes back to the standby at once, with new figures', async () => {
    const { models } = runModels();
    const slots = [await linearSlot('1.0.0', 1), await linearSlot('2.0.0', 2)];
    await models.serve(slots[0]!, 'cpu', fresh);
    const pid = models.find('m').supervisor.pid;
    await models.serve(slots[1]!, 'cpu', { keepStandby: true });
    await ask(models);
    await models.serve(slots[0]!, 'cpu', fresh);
    expect(models.find('m').supervisor.pid).toBe(pid);
    expect(models.figures('m')).toMatchObject({ requests: 0 });
    expect((await ask(models)).version).toBe('1.0.0');
    expect(() => models.find('m', '2.0.0')).toThrow(expect.objectContaining({ code: 'model_not_served' }));
  });

  it('ends the standby when it is dropped', async () => {
    const { models } = runModels();
    await models.serve(await linearSlot('1.0.0', 1), 'cpu', fresh);
    const pid = models.find('m').supervisor.pid!;
    await models.serve(await linearSlot('2.0.0', 2), 'cpu', { keepStandby: true });
    await models.dropStandby('m');
    expect(() => process.kill(pid, 0)).toThrow();
  });

  it('counts failures of the model, not mistakes of the caller', async () => {
    const { models, recording } = runModels();
    const slot = await makeServingSlot({
      folder: await tempFolder(),
      onnx: failingModel(),
      inputs: [fp32Spec('x', [-1, 1])],
      outputs: [fp32Spec('y', [-1, 1])],
    });
    await models.serve(slot, 'cpu', fresh);
    const put = (value: number, shape = [1, 1]) =>
      models.infer({ model: 'm', inputs: [fp32('x', shape, [value])] });
    await put(3);
    await expect(put(1e6)).rejects.toMatchObject({ code: 'inference_failed' });
    await expect(put(3, [1])).rejects.toMatchObject({ code: 'tensor_invalid' });
    expect(models.figures('m')).toMatchObject({ requests: 2, failed: 1, refused: 0, crashes: 0 });
    expect(recording.told.slice(1)).toEqual([
      'answered 1.0.0',
      'failed 1.0.0 inference_failed',
      'refused 1.0.0',
    ]);
  });

  describe('with another interface on trial', () => {
    /** 2.0.0 wants "features" where 1.0.0 wants "x", and calls its answer "score" where 1.0.0 says "y". */
    async function renamed() {
      const { models, recording } = runModels();
      await models.serve(await linearSlot('1.0.0', 1), 'cpu', fresh);
      const slot = await makeServingSlot({
        folder: await tempFolder(),
        onnx: linearModel({ weights: [2, 2], inputName: 'features', outputName: 'score' }),
        version: '2.0.0',
        inputs: [fp32Spec('features', [-1, 2])],
        outputs: [fp32Spec('score', [-1, 1])],
      });
      await models.serve(slot, 'cpu', { keepStandby: true });
      recording.told.length = 0;
      return { models, recording };
    }
    const features = fp32('features', [1, 2], [1, 1]);

    it('answers a request that fits the standby alone with the standby, and counts it against the trial', async () => {
      const { models, recording } = await renamed();
      expect(await ask(models)).toMatchObject({ version: '1.0.0' });
      expect(await models.infer({ model: 'm', inputs: [features] })).toMatchObject({ version: '2.0.0' });
      expect(models.figures('m')).toMatchObject({ requests: 1, failed: 0, refused: 1 });
      expect(recording.told).toEqual(['refused 2.0.0 fits before', 'answered 1.0.0', 'answered 2.0.0']);
    });

    it('answers with the standby when an output is asked for that the new version does not have', async () => {
      const { models } = await renamed();
      const answer = await models.infer({ model: 'm', inputs: [x], outputs: ['y'] });
      expect(answer).toMatchObject({ version: '1.0.0', outputs: [{ name: 'y' }] });
      expect(models.figures('m')).toMatchObject({ refused: 1 });
    });

    it('holds a request that fits neither version against no trial, and counts it all the same', async () => {
      const { models, recording } = await renamed();
      const garbage = { model: 'm', inputs: [fp32('rubbish', [1], [1])] };
      await expect(models.infer(garbage)).rejects.toMatchObject({
        code: 'tensor_invalid',
        message: expect.stringContaining('"features"'),
      });
      expect(models.figures('m')).toMatchObject({ requests: 0, refused: 0 });
      expect(recording.told).toEqual(['refused 2.0.0']);
    });

    it('gives who names a version the interface of that version', async () => {
      const { models } = await renamed();
      const named = models.infer({ model: 'm', version: '2.0.0', inputs: [x] });
      await expect(named).rejects.toMatchObject({ code: 'tensor_invalid' });
      expect(await models.infer({ model: 'm', version: '1.0.0', inputs: [x] })).toMatchObject({
        version: '1.0.0',
      });
      expect(models.figures('m')).toMatchObject({ refused: 0 });
    });

    it('goes on counting the clients that broke after the commit', async () => {
      const { models, recording } = await renamed();
      await models.dropStandby('m');
      await expect(ask(models)).rejects.toMatchObject({ code: 'tensor_invalid' });
      expect(recording.told).toEqual(['refused 2.0.0 fits before']);
    });
  });

  it('ends a run that hangs, tells the caller, and serves again', async () => {
    const { models } = runModels({ deadlineMs: 300 });
    await models.serve(await slowSlot(1_000), 'cpu', fresh);
    const started = performance.now();
    await expect(models.infer(slowInput)).rejects.toMatchObject({ code: 'inference_timeout' });
    // The whole run would take some twenty seconds.
    expect(performance.now() - started).toBeLessThan(10_000);
    await vi.waitFor(() => expect(models.find('m').supervisor.ready).toBe(true), { timeout: 5_000 });
    expect(models.figures('m')).toMatchObject({ requests: 1, failed: 1 });
  });

  it('turns requests away once too many wait', async () => {
    const { models, recording } = runModels();
    await models.serve(await slowSlot(4), 'cpu', fresh);
    const places = limits.inferQueueMax + 2;
    const taken = Array.from({ length: places }, () => models.infer(slowInput).catch((error) => error.code));
    await expect(models.infer(slowInput)).rejects.toMatchObject({ code: 'overloaded' });
    expect(recording.count('failed 1.0.0 overloaded')).toBe(1);
    expect(models.figures('m')?.failed).toBe(0);
    // Ending the runner ends the wait of all that were taken.
    process.kill(models.find('m').supervisor.pid!, 'SIGKILL');
    const codes = (await Promise.all(taken)) as unknown[];
    expect(codes.every((code) => code === 'runner_crashed' || code === 'model_not_ready')).toBe(true);
  });

  it('takes a label for an answer it remembers, once', async () => {
    const { models, recording } = runModels();
    await models.serve(
      await linearSlot('1.0.0', 2, { label: { output: 'y', kind: 'regression' } }),
      'cpu',
      fresh,
    );
    const { id } = await ask(models);
    await models.label('m', id, 4.5);
    expect(recording.told.at(-1)).toBe('labelled 1.0.0 4 4.5');
    await expect(models.label('m', id, 4.5)).rejects.toEqual(
      expect.objectContaining({ code: 'label_known' }),
    );
    await expect(models.label('m', 'other', 1)).rejects.toEqual(
      expect.objectContaining({ code: 'prediction_unknown' }),
    );
    await expect(models.label('none', id, 1)).rejects.toEqual(
      expect.objectContaining({ code: 'model_not_served' }),
    );
  });

  it('fetches the output its labels need even when a request does not ask for it', async () => {
    const { models, recording } = runModels();
    const slot = await makeServingSlot({
      folder: await tempFolder(),
      onnx: linearModel(),
      inputs: [fp32Spec('x', [-1, 2])],
      outputs: [fp32Spec('y', [-1, 1])],
      manifest: { label: { output: 'y', kind: 'regression' } },
    });
    await models.serve(slot, 'cpu', fresh);
    const answer = await models.infer({ model: 'm', inputs: [x], outputs: [] });
    expect(answer.outputs).toEqual([]);
    await models.label('m', answer.id, 2);
    expect(recording.told.at(-1)).toBe('labelled 1.0.0 2 2');
  });

  it('stops answering for a model that is retired, and lets what it took finish', async () => {
    const { models } = runModels();
    await models.serve(await slowSlot(4), 'cpu', fresh);
    const pid = models.find('m').supervisor.pid!;
    const answer = models.infer(slowInput);
    await models.retire('m');
    await expect(answer).resolves.toMatchObject({ version: '1.0.0' });
    await expect(models.infer(slowInput)).rejects.toMatchObject({ code: 'model_not_served' });
    expect(() => process.kill(pid, 0)).toThrow();
    await models.retire('m');
  });
});
