/** A director whose database is older than what devices have accepted. */
import { createHash, generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openDatabase } from '../../../../hub/db/database.ts';
import { DesiredStore } from '../../../../hub/rollout/desired-store.ts';
import { type Assignment, Director } from '../../../../hub/rollout/director.ts';
import { desiredStateType, parseDesiredState } from '../../../../shared/protocol/desired-state.ts';
import type { ReportedState } from '../../../../shared/protocol/reported-state.ts';
import { topics } from '../../../../shared/protocol/topics.ts';
import { verifyDsse } from '../../../../shared/tuf/dsse.ts';
import { facts } from '../../../support/connection-hub.ts';
import { deviceRow } from '../../../support/device-row.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const pem = publicKey.export({ type: 'spki', format: 'pem' }) as string;
const keyid = createHash('sha256').update(pem).digest('hex');
const trial = { seconds: 10, minRequests: 5, maxErrorRate: 0.1, maxCrashes: 0 };
const manifestOf = (model: string, version: string) =>
  createHash('sha256').update(`${model}${version}`).digest('hex');

function assignment(model: string, version: string, deviceId = 'a'): Assignment {
  return { deviceId, model, version, release: 1, manifestSha256: manifestOf(model, version), trial };
}

function report(sequence: number, running: Readonly<Record<string, string>>): ReportedState {
  const models = Object.entries(running).map(([model, version]) => ({
    model,
    active: { version, manifest: manifestOf(model, version), release: 1 },
    previous: [],
    quarantined: [],
  }));
  return { v: 2, at: new Date(0).toISOString(), sequence, facts, freeBytes: 0, models, conditions: [] };
}

async function world() {
  const database = await openDatabase(join(await tempFolder(), 'hub.db'));
  const retained = new Map<string, Uint8Array>();
  const director = new Director({
    store: new DesiredStore(database),
    signer: { keyid, privateKey },
    broker: { retain: async (topic, payload) => void retained.set(topic, payload) },
    clock: new ManualClock(),
    logger: pino({ level: 'silent' }),
  });
  onTestFinished(async () => {
    await director.close();
    await database.destroy();
  });
  for (const id of ['a', 'b']) await database.insertInto('device').values(deviceRow(id)).execute();
  const desired = (id = 'a') =>
    parseDesiredState(
      verifyDsse(retained.get(topics.device(id, 'desired'))!, desiredStateType, new Map([[keyid, pem]])),
    );
  const desiredModels = (id = 'a') => desired(id).models.map(({ model, version }) => `${model} ${version}`);
  const handleReport = async (reported: ReportedState) => {
    await database.transaction().execute((tx) => director.handleReport('a', reported, tx));
    await director.publish([]);
  };
  return { database, director, handleReport, desired, desiredModels };
}

describe('a director that catches up', () => {
  it('raises its sequence also when the transaction that handled the first report is rolled back', async () => {
    const { database, director, handleReport, desired } = await world();
    await director.assign([assignment('air', '1.0.0')]);
    const reported = report(50, { air: '1.0.0' });
    const failing = database.transaction().execute(async (tx) => {
      await director.handleReport('a', reported, tx);
      throw new Error('another message of the batch');
    });
    await expect(failing).rejects.toThrow('another message');
    await handleReport(reported);
    expect(desired()).toMatchObject({ sequence: 51, models: [{ model: 'air' }] });
  });

  it('remembers nothing of reports handled in a transaction that is rolled back, however many', async () => {
    const { database, director, handleReport, desired } = await world();
    await director.assign([assignment('air', '1.0.0')]);
    const failing = database.transaction().execute(async (tx) => {
      await director.handleReport('a', report(50, { air: '1.0.0' }), tx);
      await director.handleReport('a', report(1, { air: '1.0.0' }), tx);
      throw new Error('another message of the batch');
    });
    await expect(failing).rejects.toThrow('another message');
    await handleReport(report(50, { air: '1.0.0' }));
    expect(desired()).toMatchObject({ sequence: 51, models: [{ model: 'air' }] });
  });

  it('still awaits the report of a device whose only report was in a transaction that is rolled back', async () => {
    const { database, director, handleReport, desired, desiredModels } = await world();
    await director.assign([assignment('air', '1.0.0')]);
    await director.catchUp(1_000_000);
    await director.republishAll();
    const failing = database.transaction().execute(async (tx) => {
      await director.handleReport('a', report(1, { air: '1.0.0' }), tx);
      await director.handleReport('a', report(1, { air: '1.0.0' }), tx);
      throw new Error('another message of the batch');
    });
    await expect(failing).rejects.toThrow('another message');
    expect(desired().models).toEqual([]);
    await handleReport(report(1, { air: '1.0.0' }));
    expect(desiredModels()).toEqual(['air 1.0.0']);
  });

  it('unassigns no model from a device that may have been assigned it again since', async () => {
    const { director, handleReport, desired } = await world();
    await director.assign([{ deviceId: 'a', model: 'air', unassigned: true }]);
    expect(desired().unassigned).toEqual(['air']);
    await director.catchUp(1_000_000);
    await director.republishAll();
    await handleReport(report(7, { air: '2.0.0' }));
    expect(desired().unassigned).toBeUndefined();
  });

  it('names no version for a device until the device has reported what it runs, and then only what is confirmed', async () => {
    const { director, handleReport, desired, desiredModels } = await world();
    await director.assign([assignment('air', '1.0.0'), assignment('water', '1.0.0')]);
    await director.catchUp(1_000_000);
    await director.republishAll();
    expect(desired()).toMatchObject({ sequence: 1_000_001, models: [] });
    expect(await director.offered('a')).toEqual(new Set());
    expect(await director.current('air', ['a'])).toEqual(new Map());

    await handleReport(report(900, { air: '1.0.0', water: '7.0.0' }));
    expect(desiredModels()).toEqual(['air 1.0.0']);
    expect(await director.offered('a')).toEqual(new Set([manifestOf('air', '1.0.0')]));
    // Once: what it runs later changes no statement.
    const { sequence } = desired();
    await handleReport(report(sequence, { air: '2.0.0' }));
    expect(desired().sequence).toBe(sequence);
  });

  it('raises the sequence for devices without a known statement, and above its own when done twice', async () => {
    const { director, desired } = await world();
    await director.catchUp(1_000_000);
    await director.assign([assignment('air', '1.0.0', 'b')]);
    expect(desired('b')).toMatchObject({ sequence: 1_000_001 });
    await director.catchUp(500);
    await director.assign([assignment('air', '2.0.0', 'b')]);
    expect(desired('b').sequence).toBeGreaterThan(1_000_001);
  });
});

describe('a director that does not know that it was set back', () => {
  it('goes above a later sequence that a device reports, and does not roll the device back', async () => {
    const { director, handleReport, desired, desiredModels } = await world();
    await director.assign([assignment('air', '1.0.0'), assignment('water', '1.0.0')]);
    await handleReport(report(41, { air: '3.0.0', water: '1.0.0' }));
    expect(desired().sequence).toBe(42);
    expect(desiredModels()).toEqual(['water 1.0.0']);
    await director.assign([assignment('air', '4.0.0')]);
    expect(desired().sequence).toBe(43);
    expect(desiredModels()).toEqual(['air 4.0.0', 'water 1.0.0']);
  });

  it('is not driven to the highest possible sequence by a device that lies', async () => {
    const { director, handleReport, desired, desiredModels } = await world();
    await director.assign([assignment('air', '1.0.0'), assignment('air', '1.0.0', 'b')]);
    await handleReport(report(Number.MAX_SAFE_INTEGER, {}));
    expect(desired().sequence).toBe(1);
    expect(desiredModels()).toEqual(['air 1.0.0']);
    expect(desired('b').sequence).toBe(1);
  });
});
