import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { RunnerReply } from '../../../runner/runner-protocol.ts';
import { addModel } from '../../support/models.ts';
import { fp32 } from '../../support/serving-slot.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const entry = fileURLToPath(new URL('../../../runner/main.ts', import.meta.url));
const parent = fileURLToPath(new URL('../../support/runner-parent.ts', import.meta.url));

async function modelFile(): Promise<string> {
  const file = join(await tempFolder(), 'model.onnx');
  await writeFile(file, addModel());
  return file;
}

async function ask(runner: ChildProcess, message: unknown): Promise<RunnerReply> {
  const reply = once(runner, 'message');
  runner.send(message as never);
  return (await reply)[0];
}

describe('the runner process', () => {
  it('answers messages it cannot make sense of with a fault, and works on', async () => {
    const runner = fork(entry, [], { serialization: 'advanced', execArgv: [] });
    onTestFinished(() => void runner.kill('SIGKILL'));
    for (const message of ['text', 7, {}, { kind: 'other', id: 1 }, { kind: 'infer', id: 2 }]) {
      expect(await ask(runner, message)).toMatchObject({
        kind: 'failed',
        fault: { code: 'inference_failed' },
      });
    }
    const file = await modelFile();
    const load = { kind: 'load', id: 3, file, provider: 'cpu', threads: 1 };
    expect(await ask(runner, load)).toMatchObject({ kind: 'loaded', id: 3 });
    for (const inputs of [undefined, [null], [{ name: 'a', datatype: 'FP31', shape: [1], data: 'x' }]]) {
      expect(await ask(runner, { kind: 'infer', id: 4, inputs })).toMatchObject({ kind: 'failed', id: 4 });
    }
    const inputs = [fp32('a', [1, 1], [1]), fp32('b', [1, 1], [2])];
    expect(await ask(runner, { kind: 'infer', id: 5, inputs })).toMatchObject({ kind: 'inferred', id: 5 });
  });

  it('ends when its parent is killed, and not by the signals meant for the parent', async () => {
    const child = spawn(process.execPath, [parent, await modelFile()], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const [line] = await once(child.stdout!, 'data');
    const pid = Number(String(line));
    process.kill(pid, 'SIGINT');
    process.kill(pid, 'SIGTERM');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(process.kill(pid, 0)).toBe(true);
    child.kill('SIGKILL');
    await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow(), { timeout: 5_000 });
  });
});
