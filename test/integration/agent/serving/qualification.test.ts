import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ModelManifest } from '../../../../shared/manifest/model-manifest.ts';
import {
  addModel,
  brokenModel,
  crashingModel,
  failingModel,
  float16Model,
  greedyModel,
  linearModel,
  rankUnknownModel,
} from '../../../support/models.ts';
import { runModels } from '../../../support/running-models.ts';
import { fp32, fp32Spec, makeServingSlot } from '../../../support/serving-slot.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const right = { inputs: [fp32('x', [1, 2], [1, 2])], outputs: [fp32('y', [1, 1], [3])] };
const wrong = { inputs: [fp32('x', [1, 2], [1, 2])], outputs: [fp32('y', [1, 1], [3.5])] };

async function slotOf(onnx: Uint8Array, manifest: Partial<ModelManifest> = {}, samples = [right]) {
  return makeServingSlot({
    folder: await tempFolder(),
    onnx,
    inputs: [fp32Spec('x', [-1, 2])],
    outputs: [fp32Spec('y', [-1, 1])],
    samples,
    manifest,
  });
}

async function qualify(onnx: Uint8Array, manifest: Partial<ModelManifest> = {}, samples = [right]) {
  const { models } = runModels();
  return models.qualify(await slotOf(onnx, manifest, samples));
}

const MIB = 1024 * 1024;

const onProviders = (...providers: string[]): Partial<ModelManifest> => ({
  variants: [{ file: 'model.onnx', precision: 'fp32', providers }],
});

describe('qualification', () => {
  it('tells of each golden sample that was right, once, before the next one runs', async () => {
    const { models } = runModels();
    const told: number[] = [];
    const tell = async (done: number) => void told.push(done);
    expect(await models.qualify(await slotOf(linearModel(), {}, [right, right, right]), tell)).toMatchObject({
      ok: true,
    });
    expect(told).toEqual([1, 2, 3]);
    told.length = 0;
    await models.qualify(await slotOf(linearModel(), {}, [right, wrong, right]), tell);
    expect(told).toEqual([1]);
  });

  it('runs no file that the manifest does not list, wherever it lies', async () => {
    const outside = join(await tempFolder(), 'unsigned.onnx');
    await writeFile(outside, linearModel());
    for (const file of ['other.onnx', `../../../../../../../..${outside}`]) {
      const variants = [{ file, precision: 'fp32' as const, providers: ['cpu'] }];
      expect(await qualify(linearModel(), { variants })).toMatchObject({
        ok: false,
        fault: { code: 'artifact_digest_mismatch' },
      });
    }
    const golden = { file: 'other.json', tolerances: {} };
    expect(await qualify(linearModel(), { golden })).toMatchObject({
      fault: { code: 'artifact_digest_mismatch' },
    });
  });

  it('runs no file that was changed after it was installed', async () => {
    const { models } = runModels();
    const slot = await slotOf(linearModel());
    await writeFile(join(slot.folder, 'model.onnx'), linearModel({ weights: [9, 9] }));
    expect(await models.qualify(slot)).toMatchObject({ ok: false, fault: { code: 'slot_damaged' } });
    await expect(models.serve(slot, 'cpu', { keepStandby: false })).rejects.toMatchObject({
      code: 'slot_damaged',
    });
  });

  it('believes no golden file that was changed after it was installed', async () => {
    const { models } = runModels();
    const slot = await slotOf(linearModel(), {}, [wrong]);
    const easy = await slotOf(linearModel());
    await copyFile(join(easy.folder, 'golden.json'), join(slot.folder, 'golden.json'));
    expect(await models.qualify(slot)).toMatchObject({ ok: false, fault: { code: 'slot_damaged' } });
  });

  it('takes a version whose golden samples are right, with figures of this device', async () => {
    const qualification = await qualify(linearModel(), {}, [right, right, right]);
    expect(qualification).toMatchObject({ ok: true, provider: 'cpu', samples: 3, passedOver: [] });
    if (!qualification.ok) return;
    expect(qualification.latencyMaxMs).toBeGreaterThanOrEqual(qualification.latencyP50Ms);
    expect(qualification.residentBytes).toBeGreaterThan(10_000_000);
  });

  it('refuses a version that answers a golden sample wrong, quoting what it got and wanted', async () => {
    expect(await qualify(linearModel(), {}, [right, wrong])).toEqual({
      ok: false,
      fault: {
        code: 'golden_mismatch_on_device',
        retry: 'never',
        message: expect.stringMatching(/golden sample 1, output "y" element 0 is 3, expected 3.5 ± 0/),
      },
    });
  });

  it('takes the same answer within the tolerance of the output', async () => {
    const golden = { file: 'golden.json', tolerances: { y: { absolute: 0.1, relative: 0.2 } } };
    expect(await qualify(linearModel(), { golden }, [wrong])).toMatchObject({ ok: true });
  });

  it('falls back to the next provider and says why the first was passed over', async () => {
    expect(await qualify(linearModel(), onProviders('cuda', 'qnn', 'cpu'))).toMatchObject({
      ok: true,
      provider: 'cpu',
      passedOver: [
        expect.stringMatching(/^cuda: Cannot load "model.onnx"/),
        expect.stringMatching(/^qnn: .*only cpu/),
      ],
    });
  });

  it('tells of the provider that ran the version and was wrong, and of the others too', async () => {
    const qualification = await qualify(linearModel(), onProviders('cpu', 'qnn'), [wrong]);
    expect(qualification).toMatchObject({
      ok: false,
      fault: { code: 'golden_mismatch_on_device', message: expect.stringContaining('On "qnn": Cannot load') },
    });
  });

  it('refuses a model that does not load, fails on a golden sample, or lacks an output', async () => {
    expect(await qualify(brokenModel())).toMatchObject({ ok: false, fault: { code: 'model_does_not_load' } });
    const fails = { inputs: [fp32('x', [1, 1], [99])], outputs: [fp32('y', [1, 1], [0])] };
    const column = { interface: { inputs: [fp32Spec('x', [-1, 1])], outputs: [fp32Spec('y', [-1, 1])] } };
    expect(await qualify(failingModel(), column, [fails])).toMatchObject({
      fault: { code: 'inference_failed' },
    });
    const pair = { interface: { inputs: [fp32Spec('x', [-1, 2])], outputs: [fp32Spec('y', [-1, 2])] } };
    const lacks = { ...right, outputs: [fp32('nibbles', [1, 2], [0, 0])] };
    expect(await qualify(crashingModel(), pair, [lacks])).toMatchObject({
      fault: { code: 'tensor_type_unsupported' },
    });
  });

  it('refuses a version that misses its own objectives', async () => {
    const slow = await qualify(linearModel(), { objectives: { latencyP95Ms: 1e-6 } });
    expect(slow).toMatchObject({
      fault: { code: 'too_slow_on_device', message: expect.stringMatching(/ms, but its objective is/) },
    });
    const large = await qualify(linearModel(), { objectives: { memoryBytesMax: 1_000_000 } });
    expect(large).toMatchObject({
      fault: {
        code: 'objective_missed_on_device',
        message: expect.stringMatching(/MiB, but its objective is/),
      },
    });
  });

  it('judges memory by the most the runner took, not by what it kept', async () => {
    const peaky = await qualify(greedyModel({ bytes: 200 * MIB, from: 'loading' }), {
      objectives: { memoryBytesMax: 250 * MIB },
    });
    expect(peaky).toMatchObject({
      fault: { code: 'objective_missed_on_device', message: expect.stringMatching(/used up to .* MiB/) },
    });
  });

  it('refuses a version that needs more memory than a runner may take, and says so by code', async () => {
    const { models } = runModels({ runnerMemoryBytesMax: 300 * MIB });
    for (const from of ['loading', 'running'] as const) {
      const slot = await slotOf(greedyModel({ bytes: 600 * MIB, from }));
      expect(await models.qualify(slot)).toMatchObject({
        ok: false,
        fault: {
          code: 'runner_out_of_memory',
          retry: 'never',
          message: expect.stringContaining('300.0 MiB'),
        },
      });
    }
    expect(await models.qualify(await slotOf(linearModel()))).toMatchObject({ ok: true });
  });

  it('tries again later when the device has too little memory free, which is not the version’s fault', async () => {
    const { models } = runModels({ freeMemory: async () => 0 });
    expect(await models.qualify(await slotOf(linearModel()))).toMatchObject({
      ok: false,
      fault: { code: 'memory_short_on_device', retry: 'later', message: expect.stringMatching(/used up to/) },
    });
  });

  it.each([
    [
      'an output that the runtime cannot hand out',
      crashingModel(),
      { outputs: [fp32Spec('y', [-1, 2]), { name: 'nibbles', datatype: 'UINT8', shape: [-1, 2] }] },
      /"nibbles" is missing or cannot be read/,
    ],
    ['an output of another name', linearModel(), { outputs: [fp32Spec('z', [-1, 1])] }, /"z" is missing/],
    [
      'an output of another datatype',
      linearModel(),
      { outputs: [{ name: 'y', datatype: 'FP64', shape: [-1, 1] }] },
      /"y" is FP32/,
    ],
    ['an output of another rank', linearModel(), { outputs: [fp32Spec('y', [-1])] }, /"y" is FP32/],
    ['an output of another size', linearModel(), { outputs: [fp32Spec('y', [-1, 2])] }, /"y" is FP32/],
    [
      'an output whose rank only a run shows',
      rankUnknownModel(),
      { outputs: [fp32Spec('y', [-1, 2])] },
      /"y" is FP32 \[2\] in the answer/,
    ],
    [
      'an input of another name',
      linearModel({ inputName: 'renamed' }),
      {},
      /"x" is missing or cannot be fed/,
    ],
    ['an input of another datatype', float16Model(), {}, /"x" is FP16/],
    [
      'an input that the interface does not name',
      addModel(),
      { inputs: [fp32Spec('a', [-1, 1])], outputs: [fp32Spec('sum', [-1, 1])] },
      /also needs "b"/,
    ],
  ] as const)(
    'refuses a version whose interface promises %s, although no golden sample asks for it',
    async (_, onnx, change, why) => {
      const promised = { inputs: [fp32Spec('x', [-1, 2])], outputs: [fp32Spec('y', [-1, 1])], ...change };
      const manifest = { interface: promised } as unknown as Partial<ModelManifest>;
      expect(await qualify(onnx, manifest, [right])).toMatchObject({
        ok: false,
        fault: { code: 'interface_not_met', retry: 'never', message: expect.stringMatching(why) },
      });
    },
  );
});
