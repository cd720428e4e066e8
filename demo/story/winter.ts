/** The year goes on: what was learned in spring does not hold in winter, and the hub says which sensors tell so. */

import { until } from '../fleet.ts';
import { trainingStretch } from '../gas-sensors/gas-sensor-data.ts';
import { readingsBetween } from '../gas-sensors/reading.ts';
import { replay } from '../replay.ts';
import {
  deviceIds,
  everyDeviceOn,
  group,
  labelled,
  model,
  publish,
  rollOut,
  type Stage,
  Traffic,
  writeVersion,
} from './stage.ts';

export interface Drift {
  readonly verdict: string;
  readonly features: readonly {
    name: string;
    role: string;
    n: number;
    psi: number;
    threshold: number;
    verdict: string;
  }[];
  readonly labels?: { readonly mae: number; readonly n: number };
}

const READINGS_A_SEASON = 1_200;
/** As the demo's hub is told. */
const BUCKET_MS = 1_000;

export async function springPasses(stage: Stage): Promise<void> {
  const { narrator, data } = stage;
  narrator.chapter('Spring: the world is as the model knows it');
  const drift = await replaySeason(stage, labelled(trainingStretch(data.readings, 'v1'), READINGS_A_SEASON));
  narrator.check(
    `No feature has drifted (${drift.features.length} looked at)`,
    drift.verdict !== 'drift',
    drift,
  );
  narrator.check('Labels came back as an error figure', (drift.labels?.n ?? 0) > 0, drift.labels);
  narrator.tell(`Mean absolute error against the reference analyser: ${drift.labels!.mae.toFixed(2)} mg/m³.`);
}

export async function winterComes(stage: Stage): Promise<Drift> {
  const { fleet, narrator, data } = stage;
  narrator.chapter('Winter: drift is found, by name of sensor');
  const winter = labelled(readingsBetween(data.readings, '2004-12-01', '2005-02-01'), READINGS_A_SEASON);
  const drift = await replaySeason(stage, winter);
  const drifted = drift.features.filter((feature) => feature.verdict === 'drift' && feature.role === 'input');
  narrator.command(['modelfleet', 'drift', 'show', '--model', model]);
  for (const { name, psi, threshold, n } of drifted) {
    narrator.tell(
      `  ${name.padEnd(14)} PSI ${psi.toFixed(2)} (threshold ${threshold.toFixed(2)}, ${n} readings)`,
    );
  }
  narrator.check(
    'Temperature is among the sensors that drifted',
    drifted.some(({ name }) => name === 'T'),
    drifted,
  );
  narrator.tell(`Mean absolute error is ${drift.labels!.mae.toFixed(2)} mg/m³ now.`);
  const table = await fleet.tryCli('telemetry', 'show', '--model', model);
  narrator.check('The telemetry behind it can be shown', table.code === 0, table);
  return drift;
}

export async function secondVersion(stage: Stage): Promise<void> {
  const { narrator, data } = stage;
  narrator.chapter('Version 2.0.0, by canary');
  const folder = await writeVersion(stage, {
    version: '2.0.0',
    release: 2,
    onnx: data.models.v2,
    readings: trainingStretch(data.readings, 'v2'),
    trainedModel: data.models.v2,
    description: 'Trained on the readings up to September 2004.',
  });
  await publish(stage, folder);
  const traffic = new Traffic(
    stage,
    labelled(readingsBetween(data.readings, '2004-11-01', '2005-02-01'), READINGS_A_SEASON),
  );
  const end = await rollOut(stage, '2.0.0', [
    ...['--phases', '1dev,50%,100%', '--trial', '2s', '--soak', '2s'],
    ...['--max-error-rate', '2%', '--min-requests', '20'],
  ]);
  const sent = await traffic.stop();
  narrator.check('The canary, then half, then all: the rollout completed', end.status === 'completed', end);
  narrator.check(
    `Not one of ${sent.answered} requests failed while versions were switched under them`,
    sent.failed === 0,
    sent,
  );
  narrator.check('Every device answers with 2.0.0', await everyDeviceOn(stage, '2.0.0'));
}

/** Replays a season through all agents and returns the drift report over it. */
export async function replaySeason(stage: Stage, readings: ReturnType<typeof labelled>): Promise<Drift> {
  const { fleet, narrator } = stage;
  // A season begins in a bucket of its own, so that its figures are its own.
  await new Promise((resolve) => setTimeout(resolve, 2 * BUCKET_MS));
  const started = Date.now();
  const result = await replay({ agents: deviceIds.map((id) => fleet.agentUrl(id)), readings, model });
  narrator.tell(
    `${result.answered} hourly readings answered by ${deviceIds.length} devices, ${result.labelled} labels followed.`,
  );
  narrator.check('Every reading was answered', result.failed === 0, result);
  return until('the hub has merged every window of the season', async () => {
    const since = `${Math.ceil((Date.now() - started) / 1_000)}s`;
    const drift = (await fleet.cli(
      'drift',
      'show',
      '--model',
      model,
      '--group',
      group,
      '--since',
      since,
    )) as Drift;
    return (drift.features[0]?.n ?? 0) >= readings.length ? drift : undefined;
  });
}
