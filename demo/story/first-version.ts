/** v1 is packed, signed, published, and reaches every device in phases. */
import { copyFile, cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { trainingStretch } from '../gas-sensors/gas-sensor-data.ts';
import {
  deviceIds,
  everyDeviceOn,
  publish,
  publisherKey,
  rollOut,
  type Stage,
  writeVersion,
} from './stage.ts';

export async function firstVersion(stage: Stage): Promise<void> {
  const { fleet, narrator, data } = stage;
  narrator.chapter('Version 1.0.0: trained on spring, signed, published');
  const folder = await writeVersion(stage, {
    version: '1.0.0',
    release: 1,
    onnx: data.models.v1,
    readings: trainingStretch(data.readings, 'v1'),
    trainedModel: data.models.v1,
    description: 'Trained on the readings up to May 2004.',
  });
  const packed = (await fleet.tellCli('models', 'pack', folder)) as {
    folder: string;
    goldenSamples: number;
    features: string[];
  };
  narrator.tell(
    `${packed.goldenSamples} golden samples, a reference profile of ${packed.features.length} features.`,
  );

  const tampered = join(fleet.folder, 'versions', 'tampered');
  await cp(packed.folder, tampered, { recursive: true });
  await flipByte(join(tampered, 'air-quality.onnx'));
  const refused = await fleet.tryCli('models', 'publish', tampered, '--key', publisherKey(stage));
  narrator.check(
    'The same version with one byte of the model changed is refused',
    refused.code === 1,
    refused,
  );
  narrator.show(refused.stderr);

  await publish(stage, packed.folder);
  const again = await fleet.tryCli('models', 'publish', packed.folder, '--key', publisherKey(stage));
  narrator.check(
    'Publishing it twice is refused',
    again.code === 1 && again.stderr.includes('version_exists'),
    again,
  );

  narrator.tell('Nobody asks these devices anything yet: --trial-min-requests 0 lets time alone decide.');
  const end = await rollOut(stage, '1.0.0', [
    ...['--phases', '1dev,50%,100%', '--trial', '1s', '--trial-min-requests', '0', '--soak', '1s'],
  ]);
  narrator.check('The rollout completed', end.status === 'completed', end);
  narrator.check('Every device answers with 1.0.0', await everyDeviceOn(stage, '1.0.0'));
  const ready = await fetch(`${fleet.agentUrl(deviceIds[0])}/v2/models/air-quality/ready`);
  narrator.check('A device says so itself, on its local Open Inference Protocol API', ready.status === 200);
}

/** Changes one bit in the middle of a file. */
export async function flipByte(file: string): Promise<void> {
  const bytes = await readFile(file);
  await copyFile(file, `${file}.good`);
  bytes[bytes.length >> 1]! ^= 1;
  await writeFile(file, bytes);
}
