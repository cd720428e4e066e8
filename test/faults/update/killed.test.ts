/** The agent dies in each state, by SIGKILL in a process of its own, and is started again. */
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { UpdateState } from '../../../shared/protocol/update-event.ts';
import { packedVersion, writeBlobs } from '../../support/packed-version.ts';
import { programEntry } from '../../support/programs.ts';
import { tempFolder } from '../../support/temp-folder.ts';
import type { ChildEnd, ChildOrder } from '../../support/update-child.ts';
import { desiredFor, readEvents } from '../../support/update-device.ts';
import { wholeWay } from '../../support/update-way.ts';

const run = promisify(execFile);
const child = programEntry('test/support/update-child');
const v1 = packedVersion({ version: '1.0.0' });
const v2 = packedVersion({ version: '2.0.0', bytes: 10 * 256 * 1024 });

/** Runs one life of the device; undefined when it was killed. */
async function live(order: ChildOrder): Promise<ChildEnd | undefined> {
  try {
    const { stdout } = await run(process.execPath, [child, JSON.stringify(order)]);
    return JSON.parse(stdout) as ChildEnd;
  } catch (error) {
    if ((error as { signal?: string }).signal === 'SIGKILL') return undefined;
    throw error;
  }
}

let template: string;

beforeAll(async () => {
  template = await mkdtemp(join(tmpdir(), 'modelfleet-killed-'));
  await writeBlobs(join(template, 'blobs'), [v1, v2]);
  const first = {
    folder: join(template, 'device'),
    blobs: join(template, 'blobs'),
    sequence: 1,
    desired: [desiredFor(v1)],
  };
  expect(await live({ ...first, version: '1.0.0', until: 'committed' })).toMatchObject({
    active: '1.0.0',
    serving: '1.0.0',
  });
});
afterAll(() => rm(template, { recursive: true, force: true }));

/** A device that has committed 1.0.0 and wants 2.0.0. */
async function prepared(): Promise<Pick<ChildOrder, 'folder' | 'blobs' | 'sequence' | 'desired'>> {
  const folder = join(await tempFolder(), 'device');
  await cp(join(template, 'device'), folder, { recursive: true });
  const trial = { seconds: 0.1, minRequests: 0, maxErrorRate: 0.1, maxCrashes: 0 };
  return {
    folder,
    blobs: join(template, 'blobs'),
    sequence: 2,
    desired: [desiredFor(v2, { trial, rollout: 'r-00000001' })],
  };
}

const chainOf = (folder: string): UpdateState[] =>
  readEvents(join(folder, 'events.log'))
    .filter((event) => event.version === '2.0.0')
    .map((event) => event.state);

describe('killed in a state and started again', () => {
  for (const killAt of wholeWay) {
    it(`Killed_in_${killAt}: goes on to the end, and 1.0.0 answers meanwhile`, async () => {
      const order = await prepared();
      expect(await live({ ...order, killAt, until: 'committed' })).toBeUndefined();
      const end = await live({ ...order, until: 'committed' });
      expect(end).toMatchObject({ active: '2.0.0', serving: '2.0.0', state: 'committed' });
      // In trial (and between its end and the commit) the version on trial is what answered.
      const onTrial = killAt === 'trial' || killAt === 'committed';
      expect(end!.servingAtStart).toBe(onTrial ? '2.0.0' : '1.0.0');
      expect(chainOf(order.folder)).toEqual(wholeWay);
    });
  }

  for (const killAt of ['rolling-back', 'rolled-back'] as const) {
    it(`Killed_in_${killAt}: ends on 1.0.0, rolled back once`, async () => {
      const order = await prepared();
      expect(await live({ ...order, killAt, crashesInTrial: 1, until: 'rolled-back' })).toBeUndefined();
      const end = await live({ ...order, until: 'rolled-back' });
      expect(end).toMatchObject({
        active: '1.0.0',
        serving: '1.0.0',
        servingAtStart: '1.0.0',
        state: 'rolled-back',
      });
      expect(chainOf(order.folder)).toEqual([...wholeWay.slice(0, 7), 'rolling-back', 'rolled-back']);
    });
  }

  it('Killed_in_rejected: stays refused', async () => {
    const order = await prepared();
    const qualifyFault = { code: 'golden_mismatch', message: 'output y is off', retry: 'never' } as const;
    expect(await live({ ...order, killAt: 'rejected', qualifyFault, until: 'rejected' })).toBeUndefined();
    expect(await live({ ...order, until: 'rejected' })).toMatchObject({
      active: '1.0.0',
      serving: '1.0.0',
      state: 'rejected',
    });
    expect(chainOf(order.folder)).toEqual([...wholeWay.slice(0, 5), 'rejected']);
  });

  it('Killed_in_held: is still held, and goes on when the hold is lifted', async () => {
    const order = await prepared();
    await writeFile(join(order.folder, 'hold'), '');
    expect(await live({ ...order, killAt: 'held', until: 'held' })).toBeUndefined();
    expect(await live({ ...order, until: 'held' })).toMatchObject({ serving: '1.0.0', state: 'held' });
    expect(await live({ ...order, liftHold: true, until: 'committed' })).toMatchObject({
      active: '2.0.0',
      state: 'committed',
    });
    expect(chainOf(order.folder)).toEqual([...wholeWay.slice(0, 4), 'held', ...wholeWay.slice(4)]);
  });

  it('Killed_in_idle: forgets the update it gave up', async () => {
    const order = await prepared();
    await writeFile(join(order.folder, 'hold'), '');
    expect(await live({ ...order, until: 'held' })).toMatchObject({ state: 'held' });
    const back = { ...order, sequence: 3, desired: [desiredFor(v1)] };
    expect(await live({ ...back, killAt: 'idle', until: 'idle' })).toBeUndefined();
    expect(await live({ ...back, until: 'idle' })).toMatchObject({
      active: '1.0.0',
      serving: '1.0.0',
      state: 'idle',
    });
  });

  it('killed again and again in mid-download: asks for no chunk it has', async () => {
    const order = await prepared();
    for (const killAfterChunks of [2, 5, 5]) {
      expect(await live({ ...order, killAfterChunks, until: 'committed' })).toBeUndefined();
    }
    expect(await live({ ...order, until: 'committed' })).toMatchObject({ active: '2.0.0', serving: '2.0.0' });
    expect(chainOf(order.folder)).toEqual(wholeWay);
  });

  it('killed more often in one state than a defect may do: gives the version up', async () => {
    const order = await prepared();
    for (let times = 0; times < 6; times += 1) {
      expect(await live({ ...order, killAfterChunks: 0, until: 'committed' })).toBeUndefined();
    }
    expect(await live({ ...order, killAfterChunks: 0, until: 'rejected' })).toMatchObject({
      active: '1.0.0',
      serving: '1.0.0',
      state: 'rejected',
    });
    const last = readEvents(join(order.folder, 'events.log')).at(-1);
    expect(last?.fault).toMatchObject({ code: 'restart_loop' });
  });

  it('switched off six times and more in one download that does not come on: finishes all the same', async () => {
    const order = await prepared();
    for (let times = 0; times < 6; times += 1) {
      const boot = `boot-${times}`;
      expect(await live({ ...order, boot, killAfterChunks: 0, until: 'committed' })).toBeUndefined();
    }
    expect(await live({ ...order, boot: 'boot-6', until: 'committed' })).toMatchObject({ active: '2.0.0' });
  });

  it('killed six times and more in one download that comes on: finishes all the same', async () => {
    const order = await prepared();
    for (const killAfterChunks of [0, 0, 0, 0, 4, 0, 0, 0, 0]) {
      expect(await live({ ...order, killAfterChunks, until: 'committed' })).toBeUndefined();
    }
    expect(await live({ ...order, until: 'committed' })).toMatchObject({ active: '2.0.0' });
    expect(chainOf(order.folder)).toEqual(wholeWay);
  });

  it('ended in order six times and more in one state: is not held against the version', async () => {
    const order = await prepared();
    for (let times = 0; times < 6; times += 1) {
      const end = await live({ ...order, endAfterChunks: 0, until: 'committed' });
      expect(end).toMatchObject({ state: 'downloading', serving: '1.0.0' });
    }
    expect(await live({ ...order, until: 'committed' })).toMatchObject({ active: '2.0.0' });
  });

  it('taken down with the machine again and again while the version runs: gives the version up', async () => {
    const order = await prepared();
    for (let times = 0; times < 6; times += 1) {
      const boot = `boot-${times}`;
      expect(await live({ ...order, boot, killInQualify: true, until: 'committed' })).toBeUndefined();
    }
    expect(await live({ ...order, boot: 'boot-6', killInQualify: true, until: 'rejected' })).toMatchObject({
      active: '1.0.0',
      serving: '1.0.0',
    });
  });

  it('killed six times and more in golden samples that come on: finishes all the same', async () => {
    const order = await prepared();
    for (const killAfterSamples of [0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2]) {
      expect(await live({ ...order, killAfterSamples, until: 'committed' })).toBeUndefined();
    }
    expect(await live({ ...order, until: 'committed' })).toMatchObject({ active: '2.0.0' });
    expect(chainOf(order.folder)).toEqual(wholeWay);
  });

  it('killed again and again by the same golden sample: gives the version up', async () => {
    const order = await prepared();
    let lives = 0;
    while ((await live({ ...order, killAfterSamples: 1, until: 'rejected' })) === undefined) lives += 1;
    // One life that nobody suspected yet; the next is known to have come further than the one before.
    expect(lives).toBe(8);
    const last = readEvents(join(order.folder, 'events.log')).at(-1);
    expect(last?.fault).toMatchObject({ code: 'restart_loop' });
  });

  it('killed more often in trial: goes back by itself, without the hub', async () => {
    const order = await prepared();
    const desired = [
      { ...order.desired[0]!, trial: { seconds: 600, minRequests: 10, maxErrorRate: 0.1, maxCrashes: 0 } },
    ];
    expect(await live({ ...order, desired, killAt: 'trial', until: 'committed' })).toBeUndefined();
    const journal = join(order.folder, 'state/updates/demo.json');
    const record = JSON.parse(await readFile(journal, 'utf8'));
    await writeFile(journal, JSON.stringify({ ...record, attempt: { ...record.attempt, restarts: 5 } }));
    expect(await live({ ...order, desired: [], until: 'rolled-back' })).toMatchObject({
      active: '1.0.0',
      serving: '1.0.0',
    });
  });

  it('copied in the middle of a download: the copy goes on as well', async () => {
    const order = await prepared();
    expect(await live({ ...order, killAfterChunks: 4, until: 'committed' })).toBeUndefined();
    const folder = `${order.folder}-copy`;
    await cp(order.folder, folder, { recursive: true });
    expect(await live({ ...order, folder, until: 'committed' })).toMatchObject({ active: '2.0.0' });
  });
});
