import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packVersion } from '../../../cli/packing/pack.ts';
import { modelYaml, writeIrisFolder } from '../../../demo/iris/iris-folder.ts';
import { makeLogger } from '../../../platform/logger.ts';
import { RunnerProcess } from '../../../runner/runner-client.ts';
import { fp32 } from '../../support/serving-slot.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const logger = makeLogger('test', 'silent');
const readme = () => readFile(join(import.meta.dirname, '../../../README.md'), 'utf8');

it('README shows the model.yaml that the command makes', async () => {
  expect(await readme()).toContain(`\`\`\`yaml\n${modelYaml}\`\`\``);
});

it('the flowers pack without a remark that asks for more, and the model tells the kinds apart', async () => {
  const folder = await tempFolder();
  await writeIrisFolder(folder);
  const { packed, remarks, goldenSamples } = await packVersion({ folder, now: 0, logger });
  expect(packed.manifest).toMatchObject({ model: 'iris', version: '1.0.0' });
  expect(goldenSamples).toBe(8);
  expect(remarks).toEqual([expect.stringMatching(/^1[34]\d of 150 labelled rows are predicted right/)]);

  const runner = await RunnerProcess.start({ file: join(folder, 'iris.onnx'), provider: 'cpu' }, { logger });
  try {
    const [row] = /"data": \[([\d., ]+)\]/.exec(await readme())!.slice(1);
    const { outputs } = await runner.infer([fp32('input', [1, 4], row!.split(',').map(Number))]);
    const scores = new Float32Array(outputs[0]!.data.slice().buffer);
    expect(scores[0]).toBeGreaterThan(0.9);
  } finally {
    await runner.close();
  }
});
