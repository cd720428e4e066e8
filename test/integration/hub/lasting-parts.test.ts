import { expect, it, onTestFinished } from 'vitest';
import { HttpHubClient } from '../../../cli/hub-client.ts';
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
  const { url, caPem, adminToken } = await hub.start();
  expect(count).toBeGreaterThan(5);
  // Parts that end at once have ended by the time that requests through the database were answered.
  const client = new HttpHubClient({ url, token: adminToken!.secret, ca: caPem });
  onTestFinished(() => client.close());
  for (let request = 0; request < 50; request += 1) await client.get('/devices');
  expect(ended).toEqual([]);
  expect(lasting.areAlive).toBe(true);
});
