/** A hub and three agents as processes: what operators and people at a device do, and what they are told. */
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Agent, createAgent } from '../../agent/agent.ts';
import { dataFolder } from '../../agent/config/data-folder.ts';
import { agentOptionTable } from '../../agent/config/options-schema.ts';
import { until } from '../../demo/fleet.ts';
import { makeLogger } from '../../platform/logger.ts';
import { resolveOptions } from '../../platform/option-table.ts';
import { systemClock } from '../../platform/system-clock.ts';
import { model, type RolloutView, SmallFleet } from '../support/small-fleet.ts';

const TEST_MS = 120_000;
const YEAR_MS = 365 * 86_400_000;
const devices = ['line-1', 'line-2', 'line-3'] as const;
const [first, second, third] = devices;

describe('a fleet of three', { timeout: TEST_MS }, () => {
  let small: SmallFleet;

  beforeAll(async () => {
    small = await SmallFleet.start(devices);
    await bringToAll(await small.publishNext());
  }, TEST_MS);
  afterAll(() => small?.stop());

  async function bringToAll(version: string): Promise<string> {
    const id = await small.rollOut(version);
    expect(await small.ended(id)).toMatchObject({ status: 'completed' });
    await small.settled(version);
    return id;
  }

  async function activeVersion(): Promise<string> {
    return (await small.modelOn(first))!.active!.version;
  }

  /** Runs `modelfleet-agent … --data` as somebody at the device would. */
  async function atDevice(id: string, ...words: string[]) {
    return small.programs.run('modelfleet-agent', [...words, '--data', small.fleet.agentData(id)]);
  }

  it('goes phase by phase: no device of the second has the version while the first soaks', async () => {
    const before = await activeVersion();
    const version = await small.publishNext();
    const phases = [{ devices: 1 }, { percent: 100 }];
    const id = await small.rollOut(version, { phases, soakMs: 1_000 });
    const inSoak = await until('the first device has succeeded', async () => {
      const view = await small.rollout(id);
      return view.counts['succeeded'] === 1 ? view : undefined;
    });
    expect(inSoak).toMatchObject({ phase: 1, counts: { succeeded: 1, pending: 2 } });
    const active = await Promise.all(devices.map(async (device) => (await small.infer(device)).version));
    expect(active.sort()).toEqual([before, before, version]);
    expect(await small.ended(id)).toMatchObject({ status: 'completed', counts: { succeeded: 3 } });
    await small.settled(version);
    const told = await small.fleet.tryCli('rollout', 'status', id);
    expect(JSON.parse(told.stdout)).toMatchObject({ status: 'completed', phase: 2 });
  });

  it('pause withdraws what was offered and not switched to; resume offers it again', async () => {
    const before = await activeVersion();
    const version = await small.publishNext();
    const holds = devices.map((device) => dataFolder(small.fleet.agentData(device)).hold);
    await Promise.all(holds.map((file) => writeFile(file, '')));
    const id = await small.rollOut(version);
    for (const device of devices) await small.reaches(device, version, 'held');
    await small.fleet.cli('rollout', 'pause', id, '--reason', 'lunch');
    expect(await small.rollout(id)).toMatchObject({ status: 'paused', counts: { withdrawn: 3 } });
    await Promise.all(holds.map((file) => rm(file)));
    await until('no device is at it', async () => {
      const states = await Promise.all(devices.map(async (device) => (await small.modelOn(device))?.update));
      return states.every((update) => update?.version !== version || update.state === 'idle')
        ? true
        : undefined;
    });
    for (const device of devices) expect((await small.infer(device)).version).toBe(before);
    await small.fleet.cli('rollout', 'resume', id);
    expect(await small.ended(id)).toMatchObject({ status: 'completed', counts: { succeeded: 3 } });
    await small.settled(version);
    const audit = JSON.stringify(await small.fleet.cli('audit', 'list', '--target', `rollout/${id}`));
    expect(audit).toContain('lunch');
  });

  it('rollback brings every device back to the version before, after the rollout has ended', async () => {
    const before = await activeVersion();
    const id = await bringToAll(await small.publishNext());
    await small.fleet.cli('rollout', 'rollback', id, '--yes');
    const view = await until('it is rolled back', async () => {
      const now = await small.rollout(id);
      return now.status === 'rolled-back' ? now : undefined;
    });
    expect(view.counts).toEqual({ withdrawn: 3 });
    await small.settled(before);
  });

  it('somebody at a device goes back there alone: the hub names the device and the reason', async () => {
    const before = await activeVersion();
    const version = await small.publishNext();
    const id = await bringToAll(version);
    const done = await atDevice(second, 'rollback');
    expect(done).toMatchObject({ code: 0, stdout: expect.stringContaining(`"${model}"`) });
    const view = await until('the hub knows', async () => {
      const now = (await small.rollout(id)) as RolloutView & { devices: { fault?: { code: string } }[] };
      return now.counts['rolled-back'] === 1 ? now : undefined;
    });
    expect(view.devices).toMatchObject([
      { device: second, status: 'rolled-back', fault: { code: 'rolled_back_by_operator' } },
    ]);
    expect(await small.infer(second)).toMatchObject({ version: before });
    expect(await small.infer(first)).toMatchObject({ version });
    const status = await atDevice(second, 'status');
    expect(status.stdout).toContain(`${version} is left alone until`);
    await small.act(id, 'rollback');
    await small.settled(before);
  });

  it('rollback at a device whose agent does not run, or of a model it lacks, says so', async () => {
    expect(await atDevice(first, 'rollback', 'other')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('"other"'),
    });
    const nobody = await small.programs.run('modelfleet-agent', [
      ...['rollback', '--data', join(small.fleet.folder, 'nobody')],
    ]);
    expect(nobody).toMatchObject({ code: 1, stderr: expect.stringContaining('agent_not_running') });
  });

  it('status and doctor tell of a running agent, and of one that does not run', async () => {
    const version = await activeVersion();
    const running = await atDevice(third, 'status');
    expect(running.code).toBe(0);
    expect(running.stdout).toContain(`device    ${third} (group line)`);
    expect(running.stdout).toContain(', connected');
    expect(running.stdout).toContain(`${model} ${version} on cpu`);
    const healthy = await atDevice(third, 'doctor');
    expect(healthy.code, healthy.stdout).toBe(0);
    for (const name of ['identity', 'certificate', 'clock', 'hub', 'trust', 'agent', 'disk', 'runner']) {
      expect(healthy.stdout).toMatch(new RegExp(`^OK +${name} `, 'm'));
    }

    await small.fleet.stopAgent(third, 'SIGTERM');
    const resting = await atDevice(third, 'status');
    expect(resting.code).toBe(0);
    expect(resting.stdout).toContain('agent     not running');
    expect(resting.stdout).toContain(`${model} ${version}`);
    expect(await atDevice(third, 'doctor')).toMatchObject({ code: 0 });
    await small.fleet.startAgent(third);
  });

  it('doctor names the hub that does not answer, and what to do', async () => {
    await small.fleet.stopHub('SIGTERM');
    const told = await atDevice(third, 'doctor');
    await small.fleet.startHub();
    expect(told.code).toBe(1);
    expect(told.stdout).toMatch(/^FAIL {2}hub +mqtts:.*\n +→ Check that the hub is running/m);
    await small.allConnected();
  });

  it('a folder that is no agent’s is told apart from a broken one', async () => {
    const folder = join(small.fleet.folder, 'nobody');
    for (const command of ['status', 'run'] as const) {
      const told = await small.programs.run('modelfleet-agent', [command, '--data', folder]);
      expect(told, command).toMatchObject({ code: 1, stderr: expect.stringContaining('not_enrolled') });
      expect(told.stderr).not.toMatch(/\n +at /);
    }
  });

  it('a device that was shown a time years ahead says so, and goes by what the hub signs next', async () => {
    await small.fleet.stopAgent(second, 'SIGTERM');
    // What a hub whose clock was ahead once made it believe.
    const clockFile = dataFolder(small.fleet.agentData(second)).clock;
    await writeFile(clockFile, JSON.stringify({ v: 1, floorMs: Date.now() + 3 * YEAR_MS }));
    const doctor = await atDevice(second, 'doctor');
    expect(doctor.code).toBe(1);
    expect(doctor.stdout).toMatch(
      /^FAIL {2}clock +The clock shows .* signed metadata proves .* Set the clock/m,
    );
    const version = await small.publishNext();
    await small.fleet.startAgent(second);
    await small.allConnected();
    const ended = await small.ended(await small.rollOut(version));
    expect(ended).toMatchObject({ status: 'completed', counts: { succeeded: 3 } });
    await small.settled(version);
    expect((await atDevice(second, 'doctor')).code).toBe(0);
  });

  it.each([
    ['1990-01-01T00:00:00.000Z', 'signed metadata proves that it is at least', ', connected'],
    ['2040-01-01T00:00:00.000Z', 'the device certificate expired at', 'NOT connected'],
  ])(
    'a clock that says %s is named in the status, and what runs still answers',
    async (now, reason, link) => {
      const before = await activeVersion();
      await small.fleet.stopAgent(second, 'SIGTERM');
      const agent = await agentAt(second, Date.parse(now));
      try {
        const told = await until('the clock is suspect', async () => {
          const { stdout } = await atDevice(second, 'status');
          return stdout.includes('clock_suspect') && stdout.includes(link) ? stdout : undefined;
        });
        expect(told).toContain(`clock_suspect: The clock shows ${now.slice(0, 10)}`);
        expect(told).toContain(reason);
        // A clock that is behind is helped by what was signed; one that is ahead is only told so.
        if (link === 'NOT connected')
          expect(told).toMatch(/not_connected: .*this machine's clock shows 2040/);
        expect(await small.infer(second)).toMatchObject({ version: before });
      } finally {
        await agent.stop();
        await small.fleet.startAgent(second);
      }
      await small.allConnected();
      await small.settled(before);
    },
  );

  it('a clock a year ahead: expired metadata and orders are refused by name, what runs still answers', async () => {
    const before = await activeVersion();
    await small.fleet.stopAgent(second, 'SIGTERM');
    const version = await small.publishNext();
    const id = await small.rollOut(version);
    const agent = await agentAt(second, Date.now() + YEAR_MS);
    try {
      const told = await until('the order is refused', async () => {
        const { stdout } = await atDevice(second, 'status');
        return stdout.includes('desired_state_refused') ? stdout : undefined;
      });
      expect(told).toMatch(/desired_state_refused: (clock_skew|desired_state_expired): .*expired/);
      expect(await small.infer(second)).toMatchObject({ version: before });
      expect(await slotsOf(second, version)).toEqual([]);
    } finally {
      await agent.stop();
      await small.fleet.startAgent(second);
    }
    expect(await small.ended(id)).toMatchObject({ status: 'completed' });
    await small.settled(version);
  });

  it('a model is taken off one device: it answers no more there, and comes back with the next rollout', async () => {
    const before = await activeVersion();
    await small.fleet.cli('models', 'unassign', model, '--device', third, '--yes');
    await until('the device has given it up', async () =>
      (await small.modelOn(third)) === undefined ? true : undefined,
    );
    await expect(small.infer(third)).rejects.toThrow(/404|model_unknown|not_found/);
    expect(await slotsOf(third, before)).toEqual([]);
    expect(await small.infer(first)).toMatchObject({ version: before });
    await until('the hub knows', async () => {
      const { body } = await small.fleet.rest('GET', `/devices/${third}`);
      return (body as { models: unknown[] }).models.length === 0 ? true : undefined;
    });
    await bringToAll(await small.publishNext());
    expect(JSON.stringify(await small.fleet.cli('audit', 'list'))).toContain('model.unassigned');
  });

  it('a device that is removed leaves nothing to the machine that is enrolled under its id', async () => {
    const before = await activeVersion();
    await small.fleet.cli('devices', 'remove', third, '--yes');
    const { body } = await small.fleet.rest('GET', '/devices');
    expect(JSON.stringify(body)).not.toContain(third);
    await small.publishNext();
    expect(await small.infer(third)).toMatchObject({ version: before });
  });

  /** The device's agent in this process, on a clock that shows another time and goes on from there. */
  async function agentAt(id: string, nowMs: number): Promise<Agent> {
    const apart = nowMs - Date.now();
    const agent = createAgent(
      {
        ...resolveOptions(agentOptionTable, []),
        data: small.fleet.agentData(id),
        port: Number(new URL(small.fleet.agentUrl(id)).port),
      },
      {
        clock: { ...systemClock, now: () => Date.now() + apart },
        random: Math.random,
        logger: makeLogger('agent', 'silent'),
        version: '0.0.0',
      },
    );
    await agent.start();
    return agent;
  }

  async function slotsOf(id: string, version: string): Promise<string[]> {
    const { body } = await small.fleet.rest('GET', `/models/${model}/versions/${version}`);
    const { manifestSha256 } = body as { manifestSha256: string };
    const slots = await readdir(dataFolder(small.fleet.agentData(id)).slots);
    return slots.filter((name) => name.includes(manifestSha256));
  }
});
