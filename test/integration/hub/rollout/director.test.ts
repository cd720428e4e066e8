import { createHash, generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Database, openDatabase } from '../../../../hub/db/database.ts';
import { DeviceRetention } from '../../../../hub/devices/device-retention.ts';
import { DeviceStore } from '../../../../hub/devices/device-store.ts';
import { DesiredStore } from '../../../../hub/rollout/desired-store.ts';
import { type Assignment, Director } from '../../../../hub/rollout/director.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { desiredStateType, parseDesiredState } from '../../../../shared/protocol/desired-state.ts';
import { topics } from '../../../../shared/protocol/topics.ts';
import { verifyDsse } from '../../../../shared/tuf/dsse.ts';
import { deviceRow } from '../../../support/device-row.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

const HOUR_MS = 3_600_000;
const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const pem = publicKey.export({ type: 'spki', format: 'pem' }) as string;
const keyid = createHash('sha256').update(pem).digest('hex');
const trial = { seconds: 10, minRequests: 5, maxErrorRate: 0.1, maxCrashes: 0 };

let folder: string;
let database: Database;
let clock: ManualClock;
let director: Director;
let retained: Map<string, Uint8Array>;
let retain: (topic: string, payload: Uint8Array) => Promise<void>;

async function openDirector(): Promise<void> {
  database = await openDatabase(join(folder, 'hub.db'));
  director = new Director({
    store: new DesiredStore(database),
    signer: { keyid, privateKey },
    broker: { retain: (topic, payload) => retain(topic, payload) },
    clock,
    logger: pino({ level: 'silent' }),
    validMs: 10 * HOUR_MS,
  });
}

async function restart(): Promise<void> {
  await director.close();
  await database.destroy();
  retained.clear();
  await openDirector();
}

function assignment(deviceId: string, version: string, model = 'air-quality'): Assignment {
  const manifestSha256 = createHash('sha256').update(`${model}${version}`).digest('hex');
  return { deviceId, model, version, release: 1, manifestSha256, rollout: 'r-00000001', trial };
}

/** The statement as the device reads it, its signature verified. */
function desiredOf(deviceId: string) {
  const envelope = retained.get(topics.device(deviceId, 'desired'))!;
  return parseDesiredState(verifyDsse(envelope, desiredStateType, new Map([[keyid, pem]])));
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'modelfleet-director-'));
  clock = new ManualClock();
  retained = new Map();
  retain = async (topic, payload) => {
    retained.set(topic, payload);
  };
  await openDirector();
  for (const id of ['a', 'b']) {
    await database.insertInto('device').values(deviceRow(id)).execute();
  }
});
afterEach(async () => {
  await director.close();
  await database.destroy();
  await rm(folder, { recursive: true });
});

describe('Director', () => {
  it('carries a release in every statement from the first that contained it, with its sequence', async () => {
    await director.assign([assignment('a', '1.0.0'), assignment('b', '1.0.0')]);
    expect(desiredOf('a').released).toBeUndefined();
    const at = await new DesiredStore(database).transaction((tx) => director.release('a', 'air-quality', tx));
    await director.publish(['a']);
    expect(desiredOf('a')).toMatchObject({ sequence: at, released: [{ model: 'air-quality', at }] });
    await director.assign([assignment('a', '2.0.0')]);
    expect(desiredOf('a')).toMatchObject({ sequence: at + 1, released: [{ model: 'air-quality', at }] });
    await restart();
    await director.republishAll();
    expect(desiredOf('a').released).toEqual([{ model: 'air-quality', at }]);
    expect(desiredOf('b').released).toBeUndefined();
  });

  it('keeps no more releases than a statement may hold', async () => {
    const store = new DesiredStore(database);
    for (let n = 0; n < limits.modelsPerDeviceMax + 3; n += 1) {
      await store.transaction((tx) => director.release('a', `model-${n}`, tx));
    }
    await director.publish(['a']);
    const { released } = desiredOf('a');
    expect(released).toHaveLength(limits.modelsPerDeviceMax);
    expect(released![0]!.model).toBe(`model-${limits.modelsPerDeviceMax + 2}`);
  });

  it('publishes one signed statement of all models of a device, in its name', async () => {
    await director.assign([
      assignment('a', '1.0.0'),
      assignment('a', '2.0.0', 'vad'),
      assignment('b', '1.0.0'),
    ]);
    expect(desiredOf('a')).toMatchObject({
      v: 1,
      device: 'a',
      sequence: 1,
      issued: new Date(clock.now()).toISOString(),
      expires: new Date(clock.now() + 10 * HOUR_MS).toISOString(),
      models: [
        { model: 'air-quality', version: '1.0.0', release: 1, rollout: 'r-00000001', trial },
        { model: 'vad', version: '2.0.0' },
      ],
    });
    expect(desiredOf('b').device).toBe('b');
  });

  it('only ever raises the sequence of a device, across changes, clearing, renewal and restarts', async () => {
    const seen: number[] = [];
    const note = () => seen.push(desiredOf('a').sequence);
    await director.assign([assignment('a', '1.0.0')]);
    note();
    await director.clear('a', 'air-quality');
    expect(desiredOf('a').models).toEqual([]);
    note();
    await restart();
    await director.assign([assignment('a', '1.0.0')]);
    note();
    await restart();
    await director.republishAll();
    expect(desiredOf('a').sequence).toBe(seen.at(-1));
    clock.advance(6 * HOUR_MS);
    await director.renew();
    note();
    expect(seen).toEqual([1, 2, 3, 4]);
  });

  it('renews a statement after half its life, and not before', async () => {
    await director.assign([assignment('a', '1.0.0')]);
    clock.advance(4 * HOUR_MS);
    await director.assign([assignment('b', '1.0.0')]);
    clock.advance(2 * HOUR_MS);
    await director.renew();
    expect(desiredOf('a')).toMatchObject({
      sequence: 2,
      expires: new Date(clock.now() + 10 * HOUR_MS).toISOString(),
      models: [{ version: '1.0.0' }],
    });
    expect(desiredOf('b').sequence).toBe(1);
  });

  it('renews by itself while it runs', async () => {
    await director.assign([assignment('a', '1.0.0')]);
    await director.start();
    clock.advance(6 * HOUR_MS);
    await vi.waitFor(() => expect(desiredOf('a').sequence).toBe(2));
  });

  it('publishes its statements again at start, and renews first what expired while it was down', async () => {
    await director.assign([assignment('a', '1.0.0')]);
    await restart();
    clock.advance(30 * HOUR_MS);
    await director.start();
    expect(desiredOf('a').sequence).toBe(2);
    expect(Date.parse(desiredOf('a').expires)).toBeGreaterThan(clock.now());
  });

  it('writes nothing and offers nothing when the transaction around it fails', async () => {
    await director.assign([assignment('a', '1.0.0')]);
    const work = database.transaction().execute(async (tx) => {
      await director.assign([assignment('a', '2.0.0')], tx);
      throw new Error('no');
    });
    await expect(work).rejects.toThrow('no');
    await director.republishAll();
    expect(desiredOf('a')).toMatchObject({ sequence: 1, models: [{ version: '1.0.0' }] });
    expect([...(await director.offered('a'))]).toHaveLength(1);
  });

  it('keeps a decision that the broker did not accept and publishes it at the next occasion', async () => {
    const working = retain;
    retain = async () => {
      throw new Error('broker is down');
    };
    await director.assign([assignment('a', '1.0.0')]);
    expect(retained.size).toBe(0);
    retain = working;
    await director.renew();
    expect(desiredOf('a').sequence).toBe(1);
  });

  it('never retains an older statement over a newer one, however slow the broker is', async () => {
    const order: number[] = [];
    let release: () => void = () => undefined;
    const slow = new Promise<void>((resolve) => {
      release = resolve;
    });
    retain = async (topic, payload) => {
      if (order.length === 0) await slow;
      retained.set(topic, payload);
      order.push(desiredOf('a').sequence);
    };
    const first = director.assign([assignment('a', '1.0.0')]);
    await vi.waitFor(async () => expect((await director.current('air-quality', ['a'])).size).toBe(1));
    const second = director.assign([assignment('a', '2.0.0')]);
    await vi.waitFor(async () =>
      expect((await director.current('air-quality', ['a'])).get('a')!.version).toBe('2.0.0'),
    );
    release();
    await Promise.all([first, second]);
    expect(order.at(-1)).toBe(2);
    expect(desiredOf('a').models[0]!.version).toBe('2.0.0');
  });

  it('offers exactly the manifests that the desired state names', async () => {
    expect([...(await director.offered('a'))]).toEqual([]);
    await director.assign([assignment('a', '1.0.0')]);
    const [first] = await director.offered('a');
    await director.assign([assignment('a', '2.0.0')]);
    const second = [...(await director.offered('a'))];
    expect(second).toHaveLength(1);
    expect(second[0]).not.toBe(first);
    expect([...(await director.offered('b'))]).toEqual([]);
  });

  it('refuses more models than a device runs', async () => {
    const many = Array.from({ length: limits.modelsPerDeviceMax + 1 }, (_, n) =>
      assignment('a', '1.0.0', `m-${n}`),
    );
    await expect(director.assign(many)).rejects.toMatchObject({ code: 'too_large' });
    expect((await director.current('m-0', ['a'])).size).toBe(0);
  });

  it('continues above the sequence of a removed device, also when nothing is stored of it any more', async () => {
    await director.assign([assignment('a', '1.0.0')]);
    for (const version of ['1.1.0', '1.2.0', '1.3.0']) await director.assign([assignment('a', version)]);
    await director.assign([assignment('b', '1.0.0')]);
    await director.publish(['a', 'b']);
    const seen = desiredOf('a').sequence;
    expect(desiredOf('b').sequence).toBeLessThan(seen);
    const remove = new DeviceRetention({
      store: new DeviceStore(database),
      parts: [(ids, tx) => director.forgetSequences(ids, tx)],
      keptMs: 400 * 24 * HOUR_MS,
    });
    await database.transaction().execute((tx) => director.forget('a', tx));
    await database.updateTable('device').set({ revoked_at: clock.now() }).where('id', '=', 'a').execute();
    clock.advance(399 * 24 * HOUR_MS);
    expect(await remove.removeSome(clock.now())).toMatchObject({ count: 0 });
    clock.advance(2 * 24 * HOUR_MS);
    expect(await remove.find(clock.now(), 10)).toMatchObject({ count: 1, isMore: false });
    expect(await remove.removeSome(clock.now())).toMatchObject({ count: 1, isMore: false });
    expect(await database.selectFrom('device').select('id').execute()).toEqual([{ id: 'b' }]);
    await database.insertInto('device').values(deviceRow('a')).execute();
    for (const again of ['a', 'b']) {
      await director.assign([assignment(again, '2.0.0')]);
      await director.publish([again]);
      expect(desiredOf(again).sequence).toBeGreaterThan(seen);
    }
  });
});
