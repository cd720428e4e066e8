/**
 * Folders that packing once got wrong, with the right answer for each. Runs where MODELFLEET_TEST_DATA names the folder of
 * test data and these folders lie beside it. What only a device can tell is asked of the code that devices run.
 */
import { existsSync, readdirSync } from 'node:fs';
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type PackResult, packVersion } from '../../../../cli/packing/pack.ts';
import { judgeFeatures } from '../../../../hub/drift/verdict.ts';
import { makeLogger } from '../../../../platform/logger.ts';
import { RunnerProcess } from '../../../../runner/runner-client.ts';
import { tensorValues } from '../../../../shared/inference/exact-values.ts';
import type { Tensor } from '../../../../shared/inference/tensor.ts';
import { parseGoldenFile } from '../../../../shared/manifest/golden-file.ts';
import { WindowCounts } from '../../../../shared/telemetry/window-counts.ts';
import { logInMemory } from '../../../support/prediction-stores.ts';
import { runLocalApi } from '../../../support/running-models.ts';
import { fp32 } from '../../../support/serving-slot.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const root = join(process.env['MODELFLEET_TEST_DATA'] ?? '', '../cases/pack');
const present = (process.env['MODELFLEET_TEST_DATA'] ?? '') !== '' && existsSync(root);
const logger = makeLogger('test', 'silent');
const ROWS = 200;

type Outcome = PackResult | Error;
type Check = (outcome: Outcome) => void | Promise<void>;

const refused =
  (code: string, message: RegExp): Check =>
  (outcome) =>
    expect(outcome).toMatchObject({ code, message: expect.stringMatching(message) });

const packs =
  (check: (packed: PackResult) => void | Promise<void> = () => {}): Check =>
  async (outcome) => {
    if (outcome instanceof Error) throw outcome;
    await check(outcome);
  };

const remarks = (remark: RegExp) =>
  packs(({ remarks }) => expect(remarks).toContainEqual(expect.stringMatching(remark)));

const feature = (name: string, expected: object) =>
  packs(({ packed }) =>
    expect(packed.manifest.profile!.features.find((one) => one.name === name)).toMatchObject(expected),
  );

/** What the hub says of a feature when devices see these rows; outputs as the model gives them. */
function seen(name: string, verdict: string, row: (i: number) => readonly number[]): Check {
  return packs(async ({ packed }) => {
    const { profile, interface: face } = packed.manifest;
    const [input] = face.inputs;
    const rows = Array.from({ length: ROWS }, (_, i) => row(i));
    const counts = new WindowCounts(profile!);
    const data = rows.flat();
    const values =
      input!.datatype === 'INT64'
        ? new Uint8Array(BigInt64Array.from(data, BigInt).buffer)
        : fp32('', [data.length], data).data;
    const tensor: Tensor = { ...input!, shape: [ROWS, rows[0]!.length], data: values };
    await onDevice(packed, async (infer) => counts.add([tensor], await infer([tensor])));
    const found = judgeFeatures(profile!, counts.result()).find((one) => one.name === name);
    expect(found).toMatchObject({ verdict });
  });
}

async function onDevice(
  { folder, manifest }: PackResult['packed'],
  use: (infer: (inputs: Tensor[]) => Promise<readonly Tensor[]>) => Promise<void>,
): Promise<void> {
  const file = join(folder, manifest.variants[0]!.file);
  const runner = await RunnerProcess.start({ file, provider: 'cpu' }, { logger });
  try {
    const outputs = manifest.interface.outputs.map((output) => output.name);
    await use(async (inputs) => (await runner.infer(inputs, { outputs, deadlineMs: 10_000 })).outputs);
  } finally {
    await runner.close();
  }
}

/** Takes the version into service, asks it, and does so again with a new server, as after a restart. */
const serves = packs(async ({ packed }) => {
  const { model, version, release } = packed.manifest;
  const slot = {
    model,
    version,
    release,
    manifest: packed.manifest,
    manifestSha256: packed.manifestSha256,
    folder: packed.folder,
  };
  const [input] = packed.manifest.interface.inputs;
  const [output] = packed.manifest.interface.outputs;
  for (let start = 0; start < 2; start += 1) {
    const { models, api } = await runLocalApi();
    await models.serve(slot, 'cpu', { keepStandby: false });
    const response = await fetch(`${api.url}/v2/models/${model}/infer`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ inputs: [{ name: input!.name, datatype: 'FP32', shape: [1, 1], data: [3] }] }),
    });
    expect(await response.json()).toMatchObject({ outputs: [{ name: output!.name, shape: [1, 1] }] });
    await models.close();
  }
});

/** Every label agrees, as the device figures it. */
function accurate(label: (values: readonly number[]) => string | number): Check {
  return packs(async ({ packed }) => {
    const version = { ...packed.manifest, manifestSha256: packed.manifestSha256, manifest: packed.manifest };
    const [input] = packed.manifest.interface.inputs;
    const columns = input!.shape[1]!;
    const rows = Array.from({ length: 20 }, (_, i) =>
      Array.from({ length: columns }, (_, column) => Math.sin(7 * i + 3 * column)),
    );
    const log = logInMemory();
    await onDevice(packed, async (infer) =>
      log.keep('one', version, await infer([fp32(input!.name, [20, columns], rows.flat())])),
    );
    const { rows: labelled } = await log.label(packed.manifest.model, 'one', rows.map(label));
    expect(labelled.filter(({ predicted, actual }) => predicted === actual)).toHaveLength(20);
  });
}

const all =
  (...checks: Check[]): Check =>
  async (outcome) => {
    for (const check of checks) await check(outcome);
  };

async function goldenInputs({ packed }: PackResult): Promise<unknown[]> {
  const golden = parseGoldenFile(await readFile(join(packed.folder, 'golden.json')));
  return golden.samples.flatMap(({ inputs: [input] }) =>
    Array.from(tensorValues({ ...input!, data: Buffer.from(input!.data, 'base64') }) as ArrayLike<unknown>),
  );
}

const exactIds = packs(async (result) => {
  const ids = (await goldenInputs(result)) as bigint[];
  expect(ids).toContain(9_007_199_254_740_993n);
});

const answers: Readonly<Record<string, Check>> = {
  'p01b-noise': refused('golden_unstable', /output "y"/),
  'p01c-sampled': refused('golden_unstable', /output "label"/),
  'p02-external-in-if': refused('model_unsupported', /kept in another file/),
  'p02b-external-in-constant': refused('model_unsupported', /kept in another file/),
  'p03-golden-nan': refused('golden_mismatch', /2 of 5 golden samples are wrong/),
  'p03b-golden-all-nan': packs(({ goldenSamples }) => expect(goldenSamples).toBe(3)),
  'p04-int-missing': feature('k', { missing: 1 }),
  'p05-uint8-wrap': refused('sample_invalid', /row 257, column "p" holds "256"/),
  'p05b-fp16-overflow': refused('sample_invalid', /row 3, column "p" holds "70000"/),
  'p06-int64-id-csv': exactIds,
  'p06b-int64-id-npy': exactIds,
  'p07-string-input': feature('colour', { kind: 'categorical', categories: ['blue', 'green', 'red'] }),
  'p08-string-label': feature('label', { kind: 'categorical', categories: ['faulty', 'ok'] }),
  'p09-same-name': packs(({ packed }) => {
    const names = packed.manifest.profile!.features.map((one) => `${one.role} ${one.name}`);
    expect(names).toEqual(['input temperature', 'input humidity', 'output output temperature']);
  }),
  'p10-long-name': packs(({ packed }) =>
    expect(packed.manifest.interface.outputs[0]!.name).toHaveLength(148),
  ),
  'p11-dead-column': all(remarks(/"dead" has no value/), feature('dead', { missing: 200 })),
  'p11c-dead-in-sample': seen('dead', 'drift', (i) => [Math.sin(i), Math.cos(i), i]),
  'p12-constant-flag': seen('flag', 'drift', (i) => [i % 2]),
  'p14b-baked-batch-golden-only': remarks(
    /batch size is fixed at 1 .* export the model with an open batch axis/,
  ),
  'p14c-baked-batch-fixed-output': remarks(
    /batch size is fixed at 1 .* export the model with an open batch axis/,
  ),
  'p15-dbl-max': remarks(/too large for a mean, such as 1.7976931348623157e\+308/),
  'p15c-dbl-max-two': remarks(/too large for a mean, such as 1.7976931348623157e\+308/),
  'p16-bool': feature('door_open', { kind: 'categorical', categories: ['0', '1'] }),
  'p19-file-name': packs(({ packed }) => expect(packed.manifest.variants[0]!.file).toBe('model-1.onnx')),
  'p23-nfd': packs(({ packed }) =>
    expect(packed.manifest.profile!.features[0]!.name).toBe('temp\u00e9rature'),
  ),
  'p27b-hex': refused('sample_invalid', /row 1, column "a" holds "0x1F"/),
  'p30-constructor': serves,
  'p30-tostring': serves,
  'p30d-out': serves,
  'p31-sigmoid': accurate(([a, b]) => (a! + 2 * b! >= 0 ? 'faulty' : 'ok')),
  'p32-classes-from-1': all(
    refused('interface_mismatch', /"label" gives 3, expected one of 0, 1, 2; .*under "label.values"/),
    async () => {
      const folder = await tempFolder();
      await cp(join(root, 'p32-classes-from-1'), folder, { recursive: true });
      const yaml = await readFile(join(folder, 'model.yaml'), 'utf8');
      await rm(join(folder, 'model.yaml'), { force: true });
      await writeFile(
        join(folder, 'model.yaml'),
        yaml.replace('kind: classification', 'kind: classification, values: [1, 2, 3]'),
      );
      const names = ['low', 'mid', 'high'];
      await accurate((values) => names[values.indexOf(Math.max(...values))]!)(await packed(folder));
    },
  ),
  'p33-zero-inflated': all(
    seen('rain', 'drift', () => [500]),
    seen('rain', 'drift', () => [20]),
  ),
  'p33b-spike': seen('t', 'drift', (i) => [20 + (i % 7)]),
  'p56-lfs': refused('model_file_invalid', /it is a git-LFS pointer, not the file/),
};

async function packed(folder: string): Promise<Outcome> {
  const out = join(await tempFolder(), 'packed');
  return packVersion({ folder, out, now: 0, logger }).catch((error: Error) => error);
}

describe.skipIf(!present)('packVersion() on folders that it once got wrong (MODELFLEET_TEST_DATA)', () => {
  it('has an answer for each folder', () => {
    expect(Object.keys(answers).sort()).toEqual(readdirSync(root).sort());
  });

  it.each(Object.entries(answers))('answers %s right', async (name, check) => {
    await check(await packed(join(root, name)));
  });
});
