/** A version's file decays while it serves, and its runner dies: the device goes on, says so, and mends itself. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { dataFolder } from '../../agent/config/data-folder.ts';
import { SmallFleet } from '../support/small-fleet.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });
const device = 'decaying-1';
const pollTimeout = { timeout: 30_000, interval: 100 };

describe.skipIf(process.platform !== 'linux')('a file that is damaged while its version serves', () => {
  let small: SmallFleet;
  const versions: string[] = [];
  beforeAll(async () => {
    small = await SmallFleet.start([device]);
    for (let i = 0; i < 2; i += 1) {
      const version = await small.publishNext();
      await small.ended(await small.rollOut(version));
      versions.push(version);
    }
  });
  afterAll(() => small?.stop());

  /** The runners of the agent. */
  async function runners(): Promise<readonly number[]> {
    const agent = small.fleet.agentPid(device);
    const children = await readFile(`/proc/${agent}/task/${agent}/children`, 'utf8');
    const pids = children.trim().split(' ').map(Number);
    const commands = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8')));
    return pids.filter((_, i) => commands[i]!.includes('runner/main'));
  }

  async function damageActive(): Promise<void> {
    const { active } = (await small.modelOn(device))!;
    const file = join(dataFolder(small.fleet.agentData(device)).slots, active!.manifest, 'line.onnx');
    await writeFile(file, 'no model any more');
    for (const pid of await runners()) process.kill(pid, 'SIGKILL');
  }

  const answering = async () => (await small.infer(device)).version;
  const doctor = () =>
    small.programs.run('modelfleet-agent', ['doctor', '--data', small.fleet.agentData(device)]);

  it('the version before answers without the hub, and status and doctor say why', async () => {
    await small.killHub();
    expect(await answering()).toBe(versions[1]);
    await damageActive();
    await expect.poll(() => answering().catch(() => undefined), pollTimeout).toBe(versions[0]);
    expect((await small.status(device)).reported.conditions).toContainEqual(
      expect.objectContaining({ code: 'version_damaged', severity: 'error' }),
    );
    const told = await doctor();
    expect(told.code).toBe(1);
    expect(told.stdout).toMatch(/^FAIL {2}version_damaged +Files of "line" 2\.0\.0 were damaged/m);
  });

  it('is fetched again when the hub is back, and answers', async () => {
    await small.restartHub();
    await expect.poll(() => answering().catch(() => undefined), pollTimeout).toBe(versions[1]);
    await expect.poll(async () => (await small.status(device)).reported.conditions, pollTimeout).toEqual([]);
    expect((await doctor()).stdout).toMatch(/^OK +agent /m);
  });

  it('is seen by doctor too while the agent does not run', async () => {
    const { active } = (await small.modelOn(device))!;
    await small.fleet.stopAgent(device, 'SIGTERM');
    expect((await doctor()).stdout).toMatch(/^OK +version +line 2\.0\.0: its files are intact/m);
    const { slots } = dataFolder(small.fleet.agentData(device));
    expect(await readdir(slots)).toContain(active!.manifest);
    await writeFile(join(slots, active!.manifest, 'line.onnx'), 'no model any more');
    const told = await doctor();
    expect(told.code).toBe(1);
    expect(told.stdout).toMatch(/^FAIL {2}version +.*line\.onnx/m);
  });
});
