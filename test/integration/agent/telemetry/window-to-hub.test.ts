import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { MqttSession } from '../../../../agent/connection/mqtt-session.ts';
import { Outbox } from '../../../../agent/connection/outbox.ts';
import type { ServedVersion } from '../../../../agent/telemetry/observation.ts';
import { WindowRecorder } from '../../../../agent/telemetry/recorder.ts';
import { TelemetryUploader } from '../../../../agent/telemetry/uploader.ts';
import { judgeHour } from '../../../../hub/drift/hour-verdict.ts';
import { EvidenceStore } from '../../../../hub/telemetry/evidence-store.ts';
import { TelemetryService } from '../../../../hub/telemetry/telemetry-service.ts';
import { makeLogger } from '../../../../platform/logger.ts';
import { systemClock } from '../../../../platform/system-clock.ts';
import { ConnectionHub } from '../../../support/connection-hub.ts';
import { offeredToAll, presentAll, publishedVersion, versionsOf } from '../../../support/profiles.ts';
import { tempFolder } from '../../../support/temp-folder.ts';
import { took } from '../../../support/took.ts';

const logger = makeLogger('test', 'silent');
const air = publishedVersion();
const always = { model: 'air', version: '1.0.0', fromMs: 0, toMs: Number.MAX_SAFE_INTEGER };

describe('a telemetry window, from the recorder to the hub’s database', () => {
  it('is merged once when acknowledgements are lost, whatever the line and the hub do', async () => {
    const hub = await ConnectionHub.start();
    onTestFinished(() => hub.stop());
    const service = new TelemetryService({
      inbox: hub.inbox,
      database: hub.database,
      judge: judgeHour,
      evidence: new EvidenceStore(hub.database),
      assignments: offeredToAll,
      fleet: presentAll,
      versions: versionsOf(air),
      clock: systemClock,
      logger,
      bucketMs: 60_000,
    });
    let received = 0;
    hub.handlers.telemetry = async (deviceId, payload) => {
      received += 1;
      const number = received;
      await service.receive(deviceId, payload);
      // Stored, and the device never learns of it: the worst moment for a line to break.
      if (number % 5 === 0 && number < 30) hub.broker.disconnect(deviceId);
    };
    const identity = await hub.enrol('dev-1');

    const outbox = await Outbox.open({
      folder: join(await tempFolder(), 'outbox'),
      clock: systemClock,
      logger,
    });
    const nothing = () => undefined;
    const session: MqttSession = new MqttSession({
      identity,
      clock: systemClock,
      floor: systemClock,
      random: Math.random,
      logger,
      waits: {
        lost: { firstMs: 10, maxMs: 20 },
        refused: { firstMs: 10, maxMs: 20 },
        stableMs: 10,
      },
      handlers: {
        connected: () => outbox.sendOver(session),
        disconnected: nothing,
        desired: nothing,
        command: nothing,
        trust: () => true,
        chunk: nothing,
        chunkError: nothing,
      },
    });
    onTestFinished(async () => {
      await session.close();
      await outbox.close();
    });
    const uploader = new TelemetryUploader({ outbox, logger, stream: '0123456789abcdef' });
    const recorder = new WindowRecorder({
      clock: systemClock,
      random: Math.random,
      logger,
      send: (window) => uploader.send(window),
    });
    const served: ServedVersion = {
      model: air.model,
      version: air.version,
      manifestSha256: air.manifestSha256,
      manifest: air.manifest,
    };

    // Windows of a day offline …
    for (let i = 0; i < 20; i += 1) {
      recordRequest(recorder, served);
      await recorder.flush();
    }
    session.start();
    // … and more while the line comes and goes.
    for (let i = 0; i < 20; i += 1) {
      recordRequest(recorder, served);
      await recorder.flush();
    }
    await expect.poll(() => outbox.size, { timeout: 20_000 }).toBe(0);

    const figures = await service.figures(always);
    expect(figures).toMatchObject({ reports: 40, requests: { ok: 40 } });
    const units = (await service.hours(always)).features().get('f0')!.classes.entries();
    expect(units.map(([, { counts }]) => counts[5])).toEqual([40]);
    expect(service.counts.duplicate).toBeGreaterThan(0);
  });
});

function recordRequest(recorder: WindowRecorder, served: ServedVersion): void {
  const data = new Uint8Array(Float32Array.of(0.45, 0.45).buffer);
  recorder.answered(served, [{ name: 'x', datatype: 'FP32', shape: [1, 2], data }], [], took(5));
}
