/** Someone changes a model on a device's disk; someone plays an old order to a device. Neither gets anywhere. */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { sha256 } from '../../shared/digest/sha256.ts';
import { until } from '../fleet.ts';
import { startRogueBroker } from '../rogue-broker.ts';
import { flipByte } from './first-version.ts';
import { everyDeviceOn, type Stage } from './stage.ts';

const victim = 'gate-1';

/** The statement that the hub last signed for the device, as somebody who listened would have it. */
export function recordStatement({ fleet }: Stage): string {
  const database = new Database(join(fleet.hubData, 'hub.db'), { readonly: true });
  try {
    const row = database.prepare('select envelope from desired_statement where device_id = ?').get(victim);
    return (row as { envelope: string }).envelope;
  } finally {
    database.close();
  }
}

export async function tamperedArtifact(stage: Stage): Promise<void> {
  const { fleet, narrator } = stage;
  narrator.chapter('Somebody changes one bit of the model on the disk of a device');
  const slots = join(fleet.agentData(victim), 'slots');
  const manifests = (await fleet.agentStatus(victim)) as {
    reported: { models: { active?: { manifest: string; version: string } }[] };
  };
  const active = manifests.reported.models[0]!.active!;
  const file = join(slots, active.manifest, 'air-quality.onnx');
  const good = sha256(await readFile(file));
  await fleet.stopAgent(victim, 'SIGTERM');
  await flipByte(file);
  narrator.tell(`${victim}: ${active.version}, bit flipped while the agent was down.`);
  await fleet.startAgent(victim);
  const log = await until('the agent has looked at its slots', async () => {
    const text = await fleet.logText(`agent-${victim}`);
    return text.includes('slot_damaged') ? text : undefined;
  });
  narrator.check('The agent notices before it serves it', log.includes('slot_damaged'));
  narrator.check(
    'It fetches what is missing and answers with 2.0.0 again',
    await everyDeviceOn(stage, '2.0.0'),
  );
  const files = await readdir(join(slots, active.manifest));
  const now = sha256(await readFile(file));
  narrator.check('The file has its signed digest again', now === good, { now, good, files });
}

export async function replayedOrder(stage: Stage, oldStatement: string): Promise<void> {
  const { fleet, narrator } = stage;
  narrator.chapter('Somebody with the hub’s TLS key replays an old order');
  narrator.tell('Recorded when 1.0.0 was rolled out, signed by the director, genuine in every byte.');
  await fleet.stopHub('SIGTERM');
  const rogue = await startRogueBroker({
    serverFile: join(fleet.hubData, 'pki', 'server.pem'),
    caFile: join(fleet.hubData, 'pki', 'ca.pem'),
    port: fleet.hub.mqtt.port,
    deviceId: victim,
    envelope: oldStatement,
  });
  const refused = await until(`${victim} has refused the order`, async () => {
    const text = await fleet.logText(`agent-${victim}`);
    return text.includes('desired_state_replayed') ? true : undefined;
  });
  await rogue.stop();
  narrator.check(`${victim} refuses it: desired_state_replayed`, refused);
  const ready = await fetch(`${fleet.agentUrl(victim)}/v2/models/air-quality/versions/2.0.0/ready`);
  narrator.check('It answers with 2.0.0 all the while', ready.status === 200);
  await fleet.startHub();
  narrator.check('The hub comes back and has lost nothing', await everyDeviceOn(stage, '2.0.0'));
}
