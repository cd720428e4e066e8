import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { enrol } from '../../../../agent/connection/enrolment.ts';
import type { HubLinkHandlers } from '../../../../agent/connection/hub-link.ts';
import { loadIdentity } from '../../../../agent/connection/identity.ts';
import { MqttSession } from '../../../../agent/connection/mqtt-session.ts';
import { ClockFloor } from '../../../../agent/trust/clock-floor.ts';
import { VerifiedFiles } from '../../../../agent/trust/verified-files.ts';
import { VerifiedVersions } from '../../../../agent/trust/verified-versions.ts';
import type { HubClient } from '../../../../cli/context.ts';
import { makeNewTrust, parseHubKeys } from '../../../../cli/trust/new-trust.ts';
import { type PublisherTools, publishVersion } from '../../../../cli/trust/publish-version.ts';
import { makeLogger } from '../../../../platform/logger.ts';
import { systemClock } from '../../../../platform/system-clock.ts';
import { facts } from '../../../support/connection-hub.ts';
import { packedFolder, trustBody } from '../../../support/model-hub.ts';
import { RunningHub } from '../../../support/running-hub.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const logger = makeLogger('test', 'silent');
let hub: RunningHub;
beforeAll(async () => {
  hub = await RunningHub.start();
});
afterAll(() => hub.stop());

async function publisher(client: HubClient): Promise<Omit<PublisherTools, 'hub'>> {
  const online = parseHubKeys(await client.get('/trust/keys'));
  const made = makeNewTrust({ online, rootKeys: 1, rootThreshold: 1, nowMs: Date.now() });
  await client.post('/trust', trustBody(made.files));
  const keyFile = join(await tempFolder(), 'publisher.pem');
  return { key: made.keys.get('publisher')!, keyFile, now: () => Date.now() };
}

/** A device that does nothing but listen to trust. */
async function listeningDevice() {
  const folder = await tempFolder();
  const { token } = (await hub.client.post('/join-tokens', { group: 'lab', uses: 1, ttlMs: 60_000 })) as {
    token: string;
  };
  await enrol({ token, deviceId: 'listener', folder, facts });
  const trustFolder = join(folder, 'trust');
  const versions = new VerifiedVersions({
    files: new VerifiedFiles(trustFolder),
    floor: await ClockFloor.open(join(trustFolder, 'clock-floor.json'), systemClock),
    clock: systemClock,
    logger,
  });
  const nothing = () => undefined;
  const handlers: HubLinkHandlers = {
    connected: nothing,
    disconnected: () => versions.onDisconnected(),
    desired: nothing,
    command: nothing,
    trust: (role, payload) => versions.onTrust(role, payload),
    chunk: nothing,
    chunkError: nothing,
  };
  const session = new MqttSession({
    identity: await loadIdentity(folder),
    handlers,
    clock: systemClock,
    floor: systemClock,
    random: Math.random,
    logger,
  });
  session.start();
  return { versions, session };
}

it('an enrolled device follows what is published, over the real broker and a restart of the hub', async () => {
  const tools = await publisher(hub.client);
  await publishVersion(await packedFolder({ version: '1.0.0', bytes: 1_000 }), { ...tools, hub: hub.client });
  const { versions, session } = await listeningDevice();
  try {
    await expect(versions.lookUp('demo', '1.0.0')).resolves.toMatchObject({ version: '1.0.0' });
    await publishVersion(await packedFolder({ version: '2.0.0', bytes: 2_000 }), {
      ...tools,
      hub: hub.client,
    });
    await expect(versions.lookUp('demo', '2.0.0')).resolves.toMatchObject({ version: '2.0.0' });
    await hub.restart();
    await publishVersion(await packedFolder({ version: '3.0.0', bytes: 3_000 }), {
      ...tools,
      hub: hub.client,
    });
    await expect(versions.lookUp('demo', '3.0.0')).resolves.toMatchObject({ version: '3.0.0' });
    expect((await versions.directorKeys()).size).toBe(1);
  } finally {
    await session.close();
  }
});
