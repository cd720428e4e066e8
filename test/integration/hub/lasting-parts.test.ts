import { expect, it, onTestFinished } from 'vitest';
import { hubOptionTable } from '../../../hub/config/options-schema.ts';
import { createHub } from '../../../hub/hub.ts';
import { makeLogger } from '../../../platform/logger.ts';
import { resolveOptions } from '../../../platform/option-table.ts';
import { LastingParts } from '../../../platform/service-manager.ts';
import { systemClock } from '../../../platform/system-clock.ts';
import { tempFolder } from '../../support/temp-folder.ts';

it('nothing that a hub runs for as long as it lives ends by itself: the watchdog would restart it', async () => {
  const lasting = new LastingParts();
  const ended: number[] = [];
  let count = 0;
  const watch = lasting.watch.bind(lasting);
  lasting.watch = (running) => {
    watch(running);
    count = running.length;
    for (const [n, part] of running.entries()) part.finally(() => ended.push(n)).catch(() => undefined);
  };
  const options = {
    ...resolveOptions(hubOptionTable, []),
    data: await tempFolder(),
    httpPort: 0,
    mqttPort: 0,
  };
  const logger = makeLogger('test', 'silent');
  const hub = createHub(options, { clock: systemClock, random: Math.random, logger, lasting });
  onTestFinished(() => hub.stop());
  await hub.start();
  expect(count).toBeGreaterThan(5);
  // What has nothing to do yet has had its first turn by then.
  await systemClock.sleep(1_000);
  expect(ended).toEqual([]);
  expect(lasting.areAlive).toBe(true);
});
