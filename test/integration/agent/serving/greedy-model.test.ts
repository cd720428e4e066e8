/** A model that takes all it can get, beside one that does not. */
import { describe, expect, it } from 'vitest';
import type { ModelServer } from '../../../../agent/serving/model-server.ts';
import { limits } from '../../../../shared/base/limits.ts';
import type { Tensor } from '../../../../shared/inference/tensor.ts';
import { linearModel, zerosModel } from '../../../support/models.ts';
import { runModels } from '../../../support/running-models.ts';
import { fp32, fp32Spec, makeServingSlot } from '../../../support/serving-slot.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const MIB = 1024 * 1024;

const count = (zeros: number): Tensor => ({
  name: 'count',
  datatype: 'INT64',
  shape: [1],
  data: new Uint8Array(BigInt64Array.of(BigInt(zeros)).buffer),
});

async function serveBoth(runnerMemoryBytesMax: number): Promise<ModelServer> {
  const { models } = runModels({ runnerMemoryBytesMax });
  const folder = await tempFolder();
  const greedy = await makeServingSlot({
    folder,
    model: 'greedy',
    onnx: zerosModel(),
    inputs: [{ name: 'count', datatype: 'INT64', shape: [1] }],
    outputs: [fp32Spec('y', [-1])],
  });
  const modest = await makeServingSlot({
    folder,
    model: 'modest',
    onnx: linearModel(),
    inputs: [fp32Spec('x', [-1, 2])],
    outputs: [fp32Spec('y', [-1, 1])],
  });
  await models.serve(greedy, 'cpu', { keepStandby: false });
  await models.serve(modest, 'cpu', { keepStandby: false });
  return models;
}

/** Asks the greedy model for so many bytes each, and the modest one meanwhile; gives the codes of the greedy one. */
async function ask(models: ModelServer, sizes: readonly number[]): Promise<readonly unknown[]> {
  const asked = sizes.map((bytes) =>
    models.infer({ model: 'greedy', inputs: [count(bytes / 4)] }).catch((error) => error.code),
  );
  for (let i = 0; i < 20; i += 1) {
    await models.infer({ model: 'modest', inputs: [fp32('x', [1, 2], [1, 2])] });
  }
  return Promise.all(asked);
}

const few = { model: 'greedy', inputs: [count(2)] };

describe.skipIf(process.platform !== 'linux')(
  'a model that asks for more memory than a runner may take',
  () => {
    it('is refused by code, request for request; the other models and the agent do not notice', async () => {
      const models = await serveBoth(512 * MIB);
      const before = process.memoryUsage.rss();
      expect(await ask(models, [1024 * MIB, limits.inferAnswerBytesMax + 4, 2048 * MIB])).toEqual([
        'runner_out_of_memory',
        'answer_too_large',
        'runner_out_of_memory',
      ]);
      expect(process.memoryUsage.rss() - before).toBeLessThan(200 * MIB);
      expect(await models.infer(few)).toMatchObject({ outputs: [{ shape: [2] }] });
      expect(models.figures('modest')).toMatchObject({ failed: 0, crashes: 0 });
      expect(models.figures('greedy')).toMatchObject({ failed: 3, crashes: 0 });
    });

    it('ends its own runner at worst, when the runtime has an answer that Node has no space for', async () => {
      const models = await serveBoth(256 * MIB);
      const [code] = await ask(models, [limits.inferAnswerBytesMax + 4]);
      expect(['runner_crashed', 'runner_out_of_memory', 'answer_too_large']).toContain(code);
      await expect
        .poll(() => models.infer(few).catch(() => undefined), { timeout: 10_000 })
        .toMatchObject({ outputs: [{ shape: [2] }] });
      expect(models.figures('modest')).toMatchObject({ failed: 0, crashes: 0 });
    });
  },
);
