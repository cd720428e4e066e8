/** The bytes whose digest was checked are the bytes that load. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { makeLogger } from '../../../platform/logger.ts';
import { RunnerProcess } from '../../../runner/runner-client.ts';
import { isAppError } from '../../../shared/base/app-error.ts';
import { numbersOf } from '../../../shared/inference/tensor-values.ts';
import { linearModel } from '../../support/models.ts';
import { fp32 } from '../../support/serving-slot.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const signed = linearModel({ weights: [1, 1] });
const foreign = linearModel({ weights: [9, 9] });
const sha256 = createHash('sha256').update(signed).digest('hex');

async function start(file: string): Promise<RunnerProcess> {
  const logger = makeLogger('test', 'silent');
  const runner = await RunnerProcess.start({ file, sha256, provider: 'cpu' }, { logger });
  onTestFinished(() => runner.close());
  return runner;
}

describe('a runner that is told a digest', () => {
  it('loads the file that has it', async () => {
    const file = join(await tempFolder(), 'model.onnx');
    await writeFile(file, signed);
    const { outputs } = await (await start(file)).infer([fp32('x', [1, 2], [1, 2])]);
    expect([...numbersOf(outputs[0]!)]).toEqual([3]);
  });

  it('refuses a file that has another, is cut short, or is not there', async () => {
    const file = join(await tempFolder(), 'model.onnx');
    await expect(start(file)).rejects.toMatchObject({ code: 'slot_damaged' });
    for (const bytes of [foreign, signed.subarray(0, -1), new Uint8Array(0)]) {
      await writeFile(file, bytes);
      await expect(start(file)).rejects.toMatchObject({
        code: 'slot_damaged',
        message: expect.stringContaining(`expected "${sha256}"`),
      });
    }
  });

  it.skipIf(process.platform === 'win32')(
    'does not wait for a pipe that lies in the place of the file',
    async () => {
      const file = join(await tempFolder(), 'model.onnx');
      execFileSync('mkfifo', [file]);
      await expect(start(file)).rejects.toMatchObject({ code: 'slot_damaged' });
      await expect(start(await tempFolder())).rejects.toMatchObject({ code: 'slot_damaged' });
    },
  );

  it('never answers with other bytes, while the file is exchanged and overwritten all the time', async () => {
    const folder = await tempFolder();
    const file = join(folder, 'model.onnx');
    await writeFile(file, signed);
    let going = true;
    onTestFinished(() => {
      going = false;
    });
    const exchanging = (async () => {
      for (let turn = 0; going; turn += 1) {
        await writeFile(join(folder, 'next'), turn % 2 === 0 ? foreign : signed);
        await rename(join(folder, 'next'), file);
        await writeFile(file, turn % 3 === 0 ? foreign : signed);
      }
    })();
    let answered = 0;
    for (let attempt = 0; attempt < 12 || answered === 0; attempt += 1) {
      const runner = await start(file).catch((error: unknown) => {
        expect(isAppError(error, 'slot_damaged')).toBe(true);
      });
      const answer = await runner?.infer([fp32('x', [1, 2], [1, 2])]);
      if (answer) {
        expect([...numbersOf(answer.outputs[0]!)]).toEqual([3]);
        answered += 1;
      }
      await runner?.close();
    }
    going = false;
    await exchanging;
  });
});
