import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { RunnerReply } from '../../../runner/runner-protocol.ts';
import { addModel, slowModel } from '../../support/models.ts';
import { fp32 } from '../../support/serving-slot.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const onLinux = process.platform === 'linux';
const entry = fileURLToPath(new URL('../../../runner/main.ts', import.meta.url));
const parent = fileURLToPath(new URL('../../support/runner-parent.ts', import.meta.url));

async function modelFile(onnx = addModel()): Promise<string> {
  const file = join(await tempFolder(), 'model.onnx');
  await writeFile(file, onnx);
  return file;
}

/** A process with a runner of its own, and the runner's id. The runner is hung inside its model when `busy`. */
async function startParent(file: string, ...busy: readonly 'busy'[]) {
  const child = spawn(process.execPath, [parent, file, ...busy], { stdio: ['ignore', 'pipe', 'ignore'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [line] = await once(child.stdout!, 'data');
  const pid = Number(String(line));
  onTestFinished(() => {
    if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  });
  return { child, pid };
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Shells that a process started, by their ids. */
function childShells(parentPid: number): readonly number[] {
  const children = readFileSync(`/proc/${parentPid}/task/${parentPid}/children`, 'utf8');
  const pids = children.trim().split(' ').map(Number);
  return pids.filter((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'sh');
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
    const load = { kind: 'load', id: 3, file, provider: 'cpu', threads: 1, memoryBytesMax: 2 ** 30 };
    expect(await ask(runner, load)).toMatchObject({ kind: 'loaded', id: 3 });
    for (const inputs of [undefined, [null], [{ name: 'a', datatype: 'FP31', shape: [1], data: 'x' }]]) {
      expect(await ask(runner, { kind: 'infer', id: 4, inputs })).toMatchObject({ kind: 'failed', id: 4 });
    }
    const inputs = [fp32('a', [1, 1], [1]), fp32('b', [1, 1], [2])];
    expect(await ask(runner, { kind: 'infer', id: 5, inputs })).toMatchObject({ kind: 'inferred', id: 5 });
  });

  it('ends when its parent is killed, and not by the signals meant for the parent', async () => {
    const { child, pid } = await startParent(await modelFile());
    process.kill(pid, 'SIGINT');
    process.kill(pid, 'SIGTERM');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(process.kill(pid, 0)).toBe(true);
    child.kill('SIGKILL');
    await vi.waitFor(() => expect(isAlive(pid)).toBe(false), { timeout: 5_000 });
  });

  it('ends while it hangs in native code, when its parent is killed, and so does what watched over it', async () => {
    const { child, pid } = await startParent(await modelFile(slowModel({ steps: 3_000 })), 'busy');
    const guards = onLinux ? childShells(child.pid!) : [];
    expect(guards).toHaveLength(onLinux ? 1 : 0);
    expect(isAlive(pid)).toBe(true);
    child.kill('SIGKILL');
    await vi.waitFor(() => expect([pid, ...guards].filter(isAlive)).toEqual([]), { timeout: 5_000 });
  });

  it.skipIf(!onLinux)('is watched over again after the watching process was killed', async () => {
    const { child, pid } = await startParent(await modelFile(slowModel({ steps: 3_000 })), 'busy');
    const [guard] = childShells(child.pid!);
    // One that does not hold is not tried again and again.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    process.kill(guard!, 'SIGKILL');
    const next = await vi.waitFor(() => {
      const [found] = childShells(child.pid!);
      expect(found).toBeDefined();
      expect(found).not.toBe(guard);
      return found!;
    });
    // Its parent has named the runner to it, and it has read that: both are at rest.
    for (const one of [child.pid!, next]) {
      await vi.waitFor(() => expect(readFileSync(`/proc/${one}/stat`, 'utf8')).toMatch(/ S /));
    }
    child.kill('SIGKILL');
    await vi.waitFor(() => expect([pid, next].filter(isAlive)).toEqual([]), { timeout: 5_000 });
  });

  it.skipIf(!onLinux)('goes before its parent when the machine runs out of memory', async () => {
    const { child, pid } = await startParent(await modelFile());
    const score = (of: number) => Number(readFileSync(`/proc/${of}/oom_score_adj`, 'utf8'));
    expect(score(pid)).toBeGreaterThanOrEqual(500);
    expect(score(pid)).toBeGreaterThan(score(child.pid!));
  });
});
