/**
 * A hub and a few agents as processes, driven by the command line, REST and the agents' local API, with versions of one
 * small model: `x` f32[-1,2] → `y` f32[-1,1] = x₁ + x₂ + n, where n is the number of the version `n.0.0`. It
 * remembers every action the hub has acknowledged and every sequence an agent has shown.
 */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { AgentStatus } from '../../agent/agent-status.ts';
import { dataFolder } from '../../agent/config/data-folder.ts';
import { askAgent } from '../../agent/control/control-client.ts';
import { Fleet, until } from '../../demo/fleet.ts';
import { type Finished, Programs, RunningProgram } from '../../demo/programs.ts';
import type { ReportedModel } from '../../shared/protocol/reported-state.ts';
import type { UpdateState } from '../../shared/protocol/update-event.ts';
import type { KilledAgentOrder } from './killed-agent.ts';
import { linearModel } from './models.ts';
import { bins as builtBins, programEntry } from './programs.ts';

export const model = 'line';
const windowMs = 500;
const killedAgent = programEntry('test/support/killed-agent');

export interface RolloutView {
  readonly id: string;
  readonly status: string;
  readonly version: string;
  readonly reason?: string;
  readonly phase: number;
  /** Devices by status. */
  readonly counts: Readonly<Record<string, number>>;
  /** Those that are under way or have failed. */
  readonly devices: readonly { readonly device: string; readonly status: string }[];
}

export interface RolloutOptions {
  /** Default: the small model. */
  readonly model?: string;
  readonly phases?: readonly object[];
  readonly soakMs?: number;
  readonly trialSeconds?: number;
  readonly trialMinRequests?: number;
  readonly breaking?: boolean;
}

export interface Answer {
  readonly version: string;
  readonly y: number;
}

export class SmallFleet {
  readonly fleet: Fleet;
  readonly devices: readonly string[];
  readonly programs: Programs;
  /** `action target` of every action that was acknowledged. */
  readonly acknowledged: string[] = [];
  readonly #sequences = new Map<string, number>();
  readonly #armed: RunningProgram[] = [];
  #published = 0;

  private constructor(fleet: Fleet, programs: Programs, devices: readonly string[]) {
    this.fleet = fleet;
    this.programs = programs;
    this.devices = devices;
  }

  /** A hub with trust and nothing else. `bins` is the folder of the programs. */
  static async startHub(
    devices: readonly string[],
    { bins = builtBins }: { readonly bins?: string } = {},
  ): Promise<SmallFleet> {
    const folder = await mkdtemp(join(tmpdir(), 'modelfleet-fleet-'));
    await mkdir(join(folder, 'logs'));
    const programs = new Programs({
      bins,
      logs: join(folder, 'logs'),
      env: {
        MODELFLEET_CONFIG: join(folder, 'login.json'),
        MODELFLEET_PASSPHRASE: 'only for tests',
        NODE_NO_WARNINGS: '1',
      },
    });
    const fleet = new Fleet({
      folder,
      programs,
      hubFlags: ['--telemetry-bucket', '1s', '--rollout-observe', '100ms'],
      agentFlags: [
        ...['--window', `${windowMs}ms`, '--heartbeat', '2s', '--reconnect-max', '1s'],
        // Slow enough to be caught in the middle of a download.
        ...['--download-bytes-per-second-max', String(8 * 1024 * 1024)],
      ],
    });
    const small = new SmallFleet(fleet, programs, devices);
    try {
      await fleet.startHub();
      await fleet.logIn();
      await fleet.cli('trust', 'init', '--keys', join(folder, 'keys'));
      small.acknowledged.push('trust.initialised trust/root');
    } catch (error) {
      await small.stop();
      throw error;
    }
    return small;
  }

  /** The whole fleet, every agent connected. */
  static async start(
    devices: readonly string[],
    programs: { readonly bins?: string } = {},
  ): Promise<SmallFleet> {
    const small = await SmallFleet.startHub(devices, programs);
    try {
      await small.joinDevices();
    } catch (error) {
      await small.stop();
      throw error;
    }
    return small;
  }

  async joinDevices(): Promise<void> {
    const token = await this.joinToken(this.devices.length);
    await Promise.all(
      this.devices.map(async (id) => {
        await this.fleet.enrol(id, token);
        this.acknowledged.push(`device.enrolled device/${id}`);
        await this.fleet.startAgent(id);
      }),
    );
    await this.allConnected();
  }

  async stop(): Promise<void> {
    for (const armed of this.#armed) armed.kill('SIGKILL');
    await this.programs.stopAll();
    await rm(this.fleet.folder, { recursive: true, force: true });
  }

  async joinToken(uses: number): Promise<string> {
    const made = (await this.fleet.cli(
      ...['devices', 'token', 'create', '--group', 'line', '--uses', String(uses)],
    )) as { id: string; token: string };
    this.acknowledged.push(`join_token.created join-token/${made.id}`);
    return made.token;
  }

  async killHub(): Promise<void> {
    await this.fleet.stopHub('SIGKILL');
  }

  /** Kills the hub and starts it again on the same ports. */
  async restartHub(): Promise<void> {
    await this.killHub();
    await this.fleet.startHub();
  }

  async allConnected(): Promise<void> {
    await until('all agents are connected', async () => {
      const states = await Promise.all(this.devices.map((id) => this.status(id)));
      return states.every(({ connected }) => connected) ? true : undefined;
    });
  }

  /** Writes the folder of the next version; `models pack` can read it. */
  async writeNextVersion({ bytes = 0, inputName = 'x' } = {}): Promise<{ version: string; folder: string }> {
    this.#published += 1;
    const n = this.#published;
    const folder = join(this.fleet.folder, 'versions', `${n}`);
    await mkdir(folder, { recursive: true });
    const onnx = linearModel({ bias: [n], inputName, ballast: { bytes, seed: n } });
    await writeFile(join(folder, 'line.onnx'), onnx);
    const rows = Array.from({ length: 40 }, (_, i) => `${i % 7},${(i * 3) % 11}`);
    await writeFile(join(folder, 'sample.csv'), `a,b\n${rows.join('\n')}\n`);
    await writeFile(
      join(folder, 'model.yaml'),
      `model: ${model}\nversion: ${n}.0.0\nrelease: ${n}\nfile: line.onnx\nfeatures: { ${inputName}: [a, b] }\nsample: { file: sample.csv }\ngolden: { rows: 2 }\n`,
    );
    return { version: `${n}.0.0`, folder };
  }

  tryPublish(folder: string, ...flags: readonly string[]): Promise<Finished> {
    const key = join(this.fleet.folder, 'keys', 'publisher.pem');
    return this.fleet.tryCli('models', 'publish', folder, '--key', key, ...flags);
  }

  async publishNext(options: { readonly bytes?: number } = {}): Promise<string> {
    return this.publish((await this.writeNextVersion(options)).folder);
  }

  /** Packs, signs and publishes a folder with a model.yaml; throws when it is refused. */
  async publish(folder: string, ...flags: readonly string[]): Promise<string> {
    const done = await this.tryPublish(folder, ...flags);
    if (done.code !== 0) throw new Error(`models publish ended with ${done.code}: ${done.stderr}`);
    const published = JSON.parse(done.stdout) as { model: string; version: string };
    this.acknowledged.push(`version.published model/${published.model}@${published.version}`);
    return published.version;
  }

  /** Throws when the hub does not take it. */
  async rollOut(version: string, options: RolloutOptions = {}): Promise<string> {
    const { phases = [{ percent: 100 }], soakMs = 0, trialSeconds = 0.3 } = options;
    // Nobody asks these devices by default: time alone commits.
    const trial = { seconds: trialSeconds, minRequests: options.trialMinRequests ?? 0 };
    const { breaking } = options;
    const plan = { model: options.model ?? model, version, phases, soakMs, trial, breaking };
    const made = await this.fleet.rest('POST', '/rollouts', plan);
    if (made.status !== 201) throw new Error(`rollout of ${version} was refused: ${JSON.stringify(made)}`);
    const { id } = made.body as RolloutView;
    this.acknowledged.push(`rollout.created rollout/${id}`);
    return id;
  }

  async rollout(id: string): Promise<RolloutView> {
    return (await this.fleet.rest('GET', `/rollouts/${id}`)).body as RolloutView;
  }

  /** Pauses, resumes, aborts or rolls back; throws when the hub refuses. */
  async act(id: string, act: 'abort' | 'pause' | 'resume' | 'rollback'): Promise<void> {
    const done = await this.fleet.rest('POST', `/rollouts/${id}/${act}`, {});
    if (done.status !== 200) throw new Error(`${act} was refused: ${JSON.stringify(done)}`);
    this.acknowledged.push(`rollout.${pastParticiple[act]} rollout/${id}`);
  }

  async ended(id: string): Promise<RolloutView> {
    return until(`rollout ${id} ends`, async () => {
      const view = await this.rollout(id);
      return ['aborted', 'completed', 'rolled-back'].includes(view.status) ? view : undefined;
    });
  }

  /** What the running agent says of itself; fails the test when its sequence went back. */
  async status(id: string): Promise<AgentStatus> {
    const status = (await askAgent(this.fleet.agentData(id), 'GET', '/status')) as AgentStatus;
    const { sequence } = status.reported;
    expect(sequence, `sequence of ${id}`).toBeGreaterThanOrEqual(this.#sequences.get(id) ?? 0);
    this.#sequences.set(id, sequence);
    return status;
  }

  async modelOn(id: string): Promise<ReportedModel | undefined> {
    return (await this.status(id)).reported.models.find((one) => one.model === model);
  }

  /** Waits until the device is in `state` of the update to `version`. */
  async reaches(id: string, version: string, state: UpdateState): Promise<void> {
    await until(`${id} is in ${state} of ${version}`, async () => {
      const update = (await this.modelOn(id))?.update;
      return update?.version === version && update.state === state ? true : undefined;
    });
  }

  /** Chunks of a download that are on the device's disk. */
  async chunksOn(id: string): Promise<number> {
    return countFiles(dataFolder(this.fleet.agentData(id)).chunks);
  }

  async killAgent(id: string): Promise<void> {
    await this.fleet.stopAgent(id, 'SIGKILL');
  }

  async restartAgent(id: string): Promise<void> {
    await this.killAgent(id);
    await this.fleet.startAgent(id);
  }

  /** Puts an agent in the device's place that dies at a step of its next update; resolves when it answers. */
  async armAgent(id: string, killAt: UpdateState): Promise<RunningProgram> {
    await this.fleet.stopAgent(id, 'SIGTERM');
    const order: KilledAgentOrder = {
      killAt,
      options: {
        data: this.fleet.agentData(id),
        port: Number(new URL(this.fleet.agentUrl(id)).port),
        windowMs,
        heartbeatMs: 2_000,
        reconnectMaxMs: 1_000,
      },
    };
    const child = spawn(process.execPath, [killedAgent, JSON.stringify(order)], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const armed = new RunningProgram(child, `agent-${id}`);
    this.#armed.push(armed);
    await armed.ready();
    return armed;
  }

  /** Asks the device's local API; throws when it does not answer with 200. */
  async infer(id: string, x: readonly [number, number] = [1, 2]): Promise<Answer> {
    const response = await fetch(`${this.fleet.agentUrl(id)}/v2/models/${model}/infer`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: x }] }),
    });
    const body = (await response.json()) as { model_version: string; outputs: { data: number[] }[] };
    if (response.status !== 200)
      throw new Error(`${id} answered ${response.status}: ${JSON.stringify(body)}`);
    return { version: body.model_version, y: body.outputs[0]!.data[0]! };
  }

  /** Requests of a version that the hub has counted as answered. */
  async counted(version: string): Promise<number> {
    const { body } = await this.fleet.rest('GET', `/telemetry?model=${model}&version=${version}&since=1h`);
    const { versions } = body as { versions: { requests: { ok: number } }[] };
    return versions[0]?.requests.ok ?? 0;
  }

  /** Waits until every window that is open on the device now has been closed and stored. */
  async windowsClosed(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 3 * windowMs));
  }

  /** Waits until hub, devices and the local APIs agree that every device runs `version` and nothing is under way. */
  async settled(version: string): Promise<void> {
    await until(`every device is settled on ${version}`, async () => {
      const models = await Promise.all(this.devices.map((id) => this.modelOn(id)));
      const isSettled = models.every(
        (one) => one?.active?.version === version && !underWay.has(one.update?.state ?? 'idle'),
      );
      const { body } = await this.fleet.rest('GET', '/devices');
      const rows = (body as { devices: { id: string; models: { version?: string }[] }[] }).devices;
      const isKnown = this.devices.every(
        (id) => rows.find((row) => row.id === id)?.models[0]?.version === version,
      );
      return isSettled && isKnown ? true : undefined;
    });
    for (const id of this.devices) {
      expect(await this.infer(id)).toEqual({ version, y: 3 + Number.parseInt(version, 10) });
    }
  }

  /** The audit log is whole and holds, once each, every action that was acknowledged. */
  async expectNothingAcknowledgedLost(): Promise<void> {
    const verdict = (await this.fleet.rest('GET', '/audit/verify')).body;
    expect(verdict).toMatchObject({ intact: true });
    const { body } = await this.fleet.rest('GET', '/audit?limit=1000');
    const rows = (body as { events: { action: string; target: string }[] }).events.map(
      ({ action, target }) => `${action} ${target}`,
    );
    for (const act of this.acknowledged) {
      expect(
        rows.filter((row) => row === act),
        act,
      ).toHaveLength(1);
    }
  }
}

const pastParticiple = {
  abort: 'aborted',
  pause: 'paused',
  resume: 'resumed',
  rollback: 'rollback_started',
} as const;

const underWay: ReadonlySet<string> = new Set([
  'checking',
  'downloading',
  'verifying',
  'staged',
  'qualifying',
  'activating',
  'trial',
  'rolling-back',
]);

/** Files below a folder; none when it is not there. */
export async function countFiles(folder: string): Promise<number> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return found.filter((entry) => entry.isFile()).length;
}
