/**
 * Keeps predictions and takes labels as fast as it can, until it is killed. After each flush it names what is safe: how many
 * answers it has kept, of which each tenth has its label.
 */
import { writeSync } from 'node:fs';
import { PredictionStore } from '../../agent/telemetry/prediction-store.ts';
import { makeLogger } from '../../platform/logger.ts';
import { systemClock } from '../../platform/system-clock.ts';
import { labelledVersion } from './prediction-stores.ts';

const [folder, from] = process.argv.slice(2) as [string, string];
const store = await PredictionStore.open({
  folder,
  bytesMax: 64 * 1024 * 1024,
  ageMaxMs: 86_400_000,
  clock: systemClock,
  logger: makeLogger('test', 'silent'),
});
const version = labelledVersion();
for (let kept = Number(from); ; ) {
  for (const end = kept + 500; kept < end; kept += 1) {
    store.keep(version, { id: `id-${kept}`, rows: [kept, 'x'.repeat(kept % 300)] });
    if (kept % 10 === 0) store.setLabelled((await store.find('m', `id-${kept}`))!);
  }
  await store.flush({ isDurable: kept % 1_000 === 0 });
  writeSync(1, `${kept}\n`);
}
