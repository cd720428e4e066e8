/** Two versions that must not stay: one the devices refuse before it serves, one they roll back after it did. */

import { withoutScaler, withTemperatureTable } from '../gas-sensors/bad-versions.ts';
import { summerStretch, trainingStretch } from '../gas-sensors/gas-sensor-data.ts';
import { readingsBetween } from '../gas-sensors/reading.ts';
import {
  activeVersions,
  everyDeviceOn,
  labelled,
  publish,
  rollOut,
  type Stage,
  Traffic,
  writeVersion,
} from './stage.ts';

export async function goldenSamplesFail(stage: Stage): Promise<void> {
  const { fleet, narrator, data } = stage;
  narrator.chapter('Version 2.1.0: exported without its scaler');
  const folder = await writeVersion(stage, {
    version: '2.1.0',
    release: 3,
    onnx: withoutScaler(data.models.v2),
    readings: trainingStretch(data.readings, 'v2'),
    trainedModel: data.models.v2,
    description: 'Loads and answers, and every answer is wrong.',
  });
  const refused = await fleet.tryCli('models', 'pack', folder);
  narrator.check(
    'Packing notices',
    refused.code === 1 && refused.stderr.includes('golden_mismatch'),
    refused,
  );
  await fleet.tellCli('models', 'pack', folder, '--skip-golden-check');
  narrator.tell('The publisher insists. The devices have the golden samples too.');
  await publish(stage, `${folder}/packed`);
  const end = await rollOut(stage, '2.1.0', ['--phases', '1dev,50%,100%', '--trial', '1s', '--soak', '1s']);
  const named = end.devices.filter(({ status }) => status === 'rejected');
  for (const { device, fault } of named) narrator.tell(`${device}: ${fault?.message}`);
  narrator.check('It stopped at the first device, which is named with its reason', named.length === 1, end);
  narrator.check('The rollout did not complete', ['aborted', 'rolled-back'].includes(end.status), end);
  narrator.check('The fleet is on 2.0.0', await everyDeviceOn(stage, '2.0.0'));
}

export async function serviceFails(stage: Stage): Promise<void> {
  const { narrator, data } = stage;
  narrator.chapter('Version 2.2.0: right on its golden samples, wrong in winter');
  const folder = await writeVersion(stage, {
    version: '2.2.0',
    release: 4,
    onnx: withTemperatureTable(data.models.v2, summerStretch(data.readings)),
    readings: summerStretch(data.readings),
    description: 'With a temperature compensation whose table ends at the coldest hour of summer.',
  });
  await publish(stage, folder);
  const traffic = new Traffic(
    stage,
    labelled(readingsBetween(data.readings, '2004-12-01', '2005-02-01'), 600),
  );
  const end = await rollOut(stage, '2.2.0', [
    ...['--phases', '2dev,100%', '--trial', '20s', '--soak', '1s'],
    ...['--trial-min-requests', '10', '--trial-max-error-rate', '10%'],
  ]);
  const sent = await traffic.stop();
  narrator.tell(`An answer in service: ${sent.firstError}`);
  const named = end.devices.filter(({ status }) => status === 'rolled-back');
  for (const { device, fault } of named) narrator.tell(`${device}: ${fault?.message}`);
  narrator.check(
    'Devices rolled it back by themselves and are named with the reason',
    named.length >= 1,
    end,
  );
  narrator.check('The rollout ended without going on', ['aborted', 'rolled-back'].includes(end.status), end);
  narrator.check('The fleet is on 2.0.0', await everyDeviceOn(stage, '2.0.0'), await activeVersions(stage));
}
