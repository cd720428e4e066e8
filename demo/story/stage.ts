/** What every chapter has at hand: the fleet, the teller, the data, and what earlier chapters made. */
import { join } from 'node:path';
import { type Fleet, until } from '../fleet.ts';
import type { GasSensorData } from '../gas-sensors/gas-sensor-data.ts';
import { type Reading, withAllSensors } from '../gas-sensors/reading.ts';
import { type VersionFolderOptions, writeVersionFolder } from '../gas-sensors/version-folder.ts';
import type { Narrator } from '../narrator.ts';
import { type LabelledReading, type ReplayResult, replay } from '../replay.ts';

export const model = 'air-quality';
export const group = 'plant';
export const deviceIds = ['hall-1', 'hall-2', 'hall-3', 'roof-1', 'roof-2', 'gate-1'] as const;

export interface Stage {
  readonly fleet: Fleet;
  readonly narrator: Narrator;
  readonly data: GasSensorData;
}

export function publisherKey({ fleet }: Stage): string {
  return join(fleet.folder, 'keys', 'publisher.pem');
}

/** Writes the folder of a version, as its makers hand it to `models pack`, and returns it. */
export async function writeVersion(
  { fleet }: Stage,
  options: Omit<VersionFolderOptions, 'folder'>,
): Promise<string> {
  const folder = join(fleet.folder, 'versions', options.version);
  await writeVersionFolder({ ...options, folder });
  return folder;
}

/** Packs, if that is still to be done, signs and publishes. */
export async function publish(stage: Stage, folder: string): Promise<void> {
  await stage.fleet.tellCli('models', 'publish', folder, '--key', publisherKey(stage));
}

export interface RolloutStatus {
  readonly id: string;
  readonly status: string;
  readonly reason?: string;
  readonly phase: number;
  readonly phases: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly devices: readonly {
    readonly device: string;
    readonly status: string;
    readonly fault?: { readonly code: string; readonly message: string };
  }[];
  readonly verdicts: readonly {
    readonly verdict: string;
    readonly reasons: readonly { readonly text: string }[];
  }[];
}

/** Creates a rollout to the group with the flags given, says what happens in it, and returns its end. */
export async function rollOut(
  stage: Stage,
  version: string,
  flags: readonly string[],
): Promise<RolloutStatus> {
  const { fleet, narrator } = stage;
  const created = (await fleet.tellCli(
    ...['rollout', 'create', '--model', model, '--version', version, '--group', group],
    ...flags,
  )) as RolloutStatus;
  return followRollout(stage, created.id, narrator);
}

/** Tells each new phase and change of status until the rollout has ended or is paused. */
export async function followRollout(
  { fleet }: Stage,
  id: string,
  narrator: Narrator,
): Promise<RolloutStatus> {
  let told = '';
  return until(`rollout ${id} ends`, async () => {
    const status = (await fleet.rest('GET', `/rollouts/${id}`)).body as RolloutStatus;
    const line = `${status.status}, phase ${status.phase} of ${status.phases}: ${countsText(status.counts)}`;
    if (line !== told) narrator.tell(line);
    told = line;
    return ['completed', 'aborted', 'rolled-back', 'paused'].includes(status.status) ? status : undefined;
  });
}

/** The version each device answers with, as the hub knows it. */
export async function activeVersions({ fleet }: Stage): Promise<readonly (string | undefined)[]> {
  const devices = (await fleet.cli('devices', 'list')) as {
    models: { model: string; version?: string }[];
  }[];
  return devices.map((device) => device.models.find((m) => m.model === model)?.version);
}

/** Waits until the hub knows every device to answer with `version`. */
export async function everyDeviceOn(stage: Stage, version: string): Promise<boolean> {
  await until(`every device reports ${version}`, async () =>
    (await activeVersions(stage)).every((active) => active === version) ? true : undefined,
  );
  return true;
}

/** Readings the models can take, with the reference where there is one. */
export function labelled(readings: readonly Reading[], most: number): LabelledReading[] {
  const complete = withAllSensors(readings);
  const step = Math.max(1, complete.length / most);
  return Array.from({ length: Math.min(most, complete.length) }, (_, i) => {
    const { sensors, coMgM3 } = complete[Math.floor(i * step)]!;
    return { inputs: sensors, label: Number.isNaN(coMgM3) ? undefined : coMgM3 };
  });
}

/** Keeps readings coming to some devices until it is stopped. */
export class Traffic {
  readonly #done: Promise<ReplayResult[]>;
  #stopped = false;

  constructor(stage: Stage, readings: readonly LabelledReading[], devices: readonly string[] = deviceIds) {
    this.#done = this.#run(stage, readings, devices);
  }

  async stop(): Promise<{ answered: number; failed: number; firstError: string | undefined }> {
    this.#stopped = true;
    const results = await this.#done;
    return {
      answered: results.reduce((sum, r) => sum + r.answered, 0),
      failed: results.reduce((sum, r) => sum + r.failed, 0),
      firstError: results.find((r) => r.firstError !== undefined)?.firstError,
    };
  }

  async #run(stage: Stage, readings: readonly LabelledReading[], devices: readonly string[]) {
    const results: ReplayResult[] = [];
    const agents = devices.map((id) => stage.fleet.agentUrl(id));
    for (let at = 0; !this.#stopped; at = (at + BURST) % readings.length) {
      results.push(await replay({ agents, readings: readings.slice(at, at + BURST), model }));
      await new Promise((resolve) => setTimeout(resolve, BURST_PAUSE_MS));
    }
    return results;
  }
}

const BURST = 60;
const BURST_PAUSE_MS = 150;

function countsText(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .filter(([, n]) => n > 0)
    .map(([status, n]) => `${n} ${status}`)
    .join(', ');
}
