/** v3, larger, reaches a device whose agent is killed in the middle of it. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '../fleet.ts';
import { trainingStretch } from '../gas-sensors/gas-sensor-data.ts';
import { readingsBetween } from '../gas-sensors/reading.ts';
import { coarseTable, fineTable, withTable } from '../gas-sensors/temperature-table.ts';
import {
  everyDeviceOn,
  followRollout,
  group,
  labelled,
  model,
  publish,
  type RolloutStatus,
  type Stage,
  writeVersion,
} from './stage.ts';
import { type Drift, replaySeason } from './winter.ts';

const victim = 'roof-2';
const TABLE_BYTES = 6 * 1024 * 1024;
const slowLine = ['--download-bytes-per-second-max', String(2 * 1024 * 1024)];
/** Chunks on disk at which the agent is killed. */
const CHUNKS_FIRST = 6;

export async function interruptedDownload(stage: Stage): Promise<void> {
  const { fleet, narrator, data } = stage;
  narrator.chapter('Version 3.0.0: the table made right, 6 MiB of it, and kill -9 in the middle');
  const readings = trainingStretch(data.readings, 'v3');
  const folder = await writeVersion(stage, {
    version: '3.0.0',
    release: 5,
    onnx: withTable(data.models.v3, fineTable(coarseTable(readings), TABLE_BYTES), true),
    readings,
    description: 'Trained up to January 2005; its table covers the year and is closed at both ends.',
  });
  await publish(stage, folder);
  await fleet.stopAgent(victim, 'SIGTERM');
  await fleet.startAgent(victim, slowLine);
  narrator.tell(`${victim} is on a slow line now: 2 MiB/s.`);
  const { id } = (await fleet.tellCli(
    ...['rollout', 'create', '--model', model, '--version', '3.0.0', '--group', group],
    ...['--phases', '50%,100%', '--trial', '1s', '--trial-min-requests', '0', '--soak', '1s'],
  )) as RolloutStatus;
  const killed = killInMidDownload(stage);
  const end = await followRollout(stage, id, narrator);
  const { had, now } = await killed;
  narrator.check('The rollout completed all the same', end.status === 'completed', end);
  narrator.check(
    `The ${had.size} chunks it had were still there, and none was fetched again`,
    [...had].every(([name, written]) => now.get(name) === written),
    { had: had.size, now: now.size },
  );
  narrator.check('Every device answers with 3.0.0', await everyDeviceOn(stage, '3.0.0'));
}

export async function lateWinter(stage: Stage, before: Drift): Promise<void> {
  const { narrator, data } = stage;
  narrator.chapter('Late winter, on 3.0.0');
  const readings = labelled(readingsBetween(data.readings, '2005-02-01', '2005-04-05'), 900);
  const now = await replaySeason(stage, readings);
  const [then, error] = [before.labels!.mae, now.labels!.mae];
  narrator.check(
    `Mean absolute error: ${error.toFixed(2)} mg/m³, where 1.0.0 had ${then.toFixed(2)} in winter`,
    error < then,
  );
}

/** Kills the victim's agent once some and not all chunks are on its disk, starts it again, and looks at the chunks then. */
async function killInMidDownload({ fleet, narrator }: Stage) {
  const folder = join(fleet.agentData(victim), 'chunks');
  const had = await until(
    `${victim} is in the middle of its download`,
    async () => {
      const chunks = await chunksIn(folder);
      return chunks.size >= CHUNKS_FIRST ? chunks : undefined;
    },
    60_000,
  );
  await fleet.stopAgent(victim, 'SIGKILL');
  narrator.tell(`${victim}: kill -9 with ${had.size} chunks on disk.`);
  await fleet.startAgent(victim, slowLine);
  narrator.tell(`${victim} is back and goes on from its journal.`);
  const now = await chunksIn(folder);
  return { had, now };
}

/** Chunks by name, with the time each was written. */
async function chunksIn(folder: string): Promise<ReadonlyMap<string, number>> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => /^[0-9a-f]{64}$/.test(name));
  const found = await Promise.all(
    names.map(async (name) => {
      const file = await stat(join(folder, name)).catch(() => undefined);
      return file && ([name, file.mtimeMs] as const);
    }),
  );
  return new Map(found.filter((chunk) => chunk !== undefined));
}
