import { generateKeyPairSync } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, it, vi } from 'vitest';
import { DesiredInbox, type DesiredInboxProps } from '../../../../agent/update/desired-inbox.ts';
import { DiskReserve } from '../../../../platform/disk-reserve.ts';
import { systemClock } from '../../../../platform/system-clock.ts';
import { AppError } from '../../../../shared/base/app-error.ts';
import { type DesiredState, desiredStateType } from '../../../../shared/protocol/desired-state.ts';
import { signDsse } from '../../../../shared/tuf/dsse.ts';
import { canMount, fillDisk, smallDisk } from '../../../support/small-disk.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const director = generateKeyPairSync('ed25519');
const stranger = generateKeyPairSync('ed25519');
const keyid = 'd'.repeat(64);
const keys = new Map([[keyid, director.publicKey.export({ type: 'spki', format: 'pem' }).toString()]]);

function statement(more: Partial<DesiredState> = {}, signer = director): Uint8Array {
  const state: DesiredState = {
    v: 1,
    device: 'dev-1',
    sequence: 5,
    issued: '2026-01-01T00:00:00Z',
    expires: '2096-01-01T00:00:00Z',
    models: [],
    ...more,
  };
  return signDsse(desiredStateType, Buffer.from(JSON.stringify(state)), {
    keyid,
    privateKey: signer.privateKey,
  });
}

async function open(folder: string, more: Partial<DesiredInboxProps> = {}, sequenceFloor = 0) {
  const accepted: DesiredState[] = [];
  const refused: (string | undefined)[] = [];
  const inbox = new DesiredInbox({
    file: join(folder, 'desired.json'),
    deviceId: 'dev-1',
    trust: { directorKeys: async () => keys, storedDirectorKeys: async () => keys },
    onAccepted: (state) => accepted.push(state),
    onRefused: (fault) => refused.push(fault?.code),
    clock: systemClock,
    floor: systemClock,
    logger: pino({ level: 'silent' }),
    ...more,
  });
  await inbox.load(sequenceFloor);
  return { inbox, accepted, refused };
}

describe('DesiredInbox', () => {
  it('accepts what the director signed for this device, and remembers it', async () => {
    const folder = await tempFolder();
    const { inbox, accepted } = await open(folder);
    await inbox.accept(statement());
    expect(accepted.map(({ sequence }) => sequence)).toEqual([5]);
    const again = await open(folder);
    expect(again.inbox.sequence).toBe(5);
    expect(again.inbox.accepted).toMatchObject({ sequence: 5 });
  });

  it('takes the same message again as read: the hub’s retained one comes with each connection', async () => {
    const { inbox, accepted } = await open(await tempFolder());
    await inbox.accept(statement());
    await inbox.accept(statement());
    expect(accepted).toHaveLength(1);
  });

  it.runIf(canMount)('accepts desired state on a full disk, with the reserved space', async () => {
    const root = await smallDisk(256);
    const reserve = new DiskReserve(join(root, 'reserve'), 64 * 1024);
    await reserve.make();
    await fillDisk(root);
    const { inbox } = await open(root, { withFreeSpace: reserve.withFreeSpace });
    await inbox.accept(statement());
    expect((await open(root)).inbox.sequence).toBe(5);
  });

  it('cannot be locked out by one statement with the last number there is; a restored hub can step over what was lost', async () => {
    const { inbox, accepted } = await open(await tempFolder());
    await inbox.accept(statement());
    for (const sequence of [Number.MAX_SAFE_INTEGER, 5 + 2 ** 32 + 1]) {
      await expect(inbox.accept(statement({ sequence }))).rejects.toMatchObject({
        code: 'desired_state_leaps',
      });
    }
    const seconds = Math.floor(Date.parse('2090-01-01T00:00:00Z') / 1_000);
    await inbox.accept(statement({ sequence: seconds }));
    await inbox.accept(statement({ sequence: seconds + 1 }));
    expect(accepted.map(({ sequence }) => sequence)).toEqual([5, seconds, seconds + 1]);
  });

  it('refuses one that has expired by what was signed, on a clock that was set back', async () => {
    const clock = { ...systemClock, now: () => 0 };
    const floor = { now: () => Date.parse('2026-03-01T00:00:00Z') };
    const { inbox } = await open(await tempFolder(), { clock, floor });
    await expect(inbox.accept(statement({ expires: '2026-02-01T00:00:00Z' }))).rejects.toMatchObject({
      code: 'desired_state_expired',
      message: expect.stringContaining('shows 2026-03-01T00:00:00.000Z'),
    });
  });

  const refusals: readonly [string, Uint8Array, string][] = [
    ['an older one', statement({ sequence: 4 }), 'desired_state_replayed'],
    [
      'another one of the same sequence',
      statement({ issued: '2026-02-02T00:00:00Z' }),
      'desired_state_replayed',
    ],
    ['one for another device', statement({ sequence: 6, device: 'dev-2' }), 'desired_state_wrong_device'],
    ['an expired one', statement({ sequence: 6, expires: '2026-01-02T00:00:00Z' }), 'desired_state_expired'],
    ['one signed by another key', statement({ sequence: 6 }, stranger), 'signature_invalid'],
    ['garbage', Buffer.from('{"payload":1}'), 'signature_invalid'],
  ];
  for (const [what, payload, code] of refusals) {
    it(`refuses ${what} with ${code}, after a restart too`, async () => {
      const folder = await tempFolder();
      const { inbox } = await open(folder);
      await inbox.accept(statement());
      await expect(inbox.accept(payload)).rejects.toMatchObject({ code });
      const again = await open(folder);
      await expect(again.inbox.accept(payload)).rejects.toMatchObject({ code });
      expect(again.accepted).toEqual([]);
    });
  }

  it('refuses a signed payload whose bytes were changed', async () => {
    const { inbox } = await open(await tempFolder());
    const envelope = JSON.parse(Buffer.from(statement()).toString()) as { payload: string };
    const payload = Buffer.from(envelope.payload, 'base64')
      .toString()
      .replace('"sequence":5', '"sequence":9');
    const forged = { ...envelope, payload: Buffer.from(payload).toString('base64') };
    await expect(inbox.accept(Buffer.from(JSON.stringify(forged)))).rejects.toMatchObject({
      code: 'signature_invalid',
    });
  });

  it('refuses a replay even when its own file was lost, by what the journals know', async () => {
    const folder = await tempFolder();
    const { inbox } = await open(folder);
    await inbox.accept(statement());
    await writeFile(join(folder, 'desired.json'), 'torn');
    const again = await open(folder, {}, 5);
    expect(again.inbox.accepted).toBeUndefined();
    expect(await readFile(join(folder, 'desired.json.unreadable'), 'utf8')).toBe('torn');
    await expect(again.inbox.accept(statement({ sequence: 4 }))).rejects.toMatchObject({
      code: 'desired_state_replayed',
    });
  });

  it('believes what is stored for its signature: another one on the disk is put aside and told', async () => {
    const folder = await tempFolder();
    const file = join(folder, 'desired.json');
    const edited = JSON.parse(Buffer.from(statement()).toString()) as { payload: string };
    const payload = Buffer.from(edited.payload, 'base64').toString().replace('"sequence":5', '"sequence":7');
    const changed = Buffer.from(
      JSON.stringify({ ...edited, payload: Buffer.from(payload).toString('base64') }),
    );
    for (const [bytes, code] of [
      [changed, 'signature_invalid'],
      [statement({}, stranger), 'signature_invalid'],
      [statement({ device: 'dev-2' }), 'desired_state_wrong_device'],
      [statement({ sequence: 3 }), 'desired_state_replayed'],
      [Buffer.from('{"v":1,"digest":"","state":{}}'), 'signature_invalid'],
    ] as const) {
      await writeFile(file, bytes);
      const { inbox, refused } = await open(folder, {}, 4);
      expect(inbox.accepted).toBeUndefined();
      expect(inbox.sequence).toBe(4);
      expect(refused).toEqual([code]);
      expect(await readFile(`${file}.unreadable`)).toEqual(Buffer.from(bytes));
    }
  });

  it('goes on with what is stored when it has expired since', async () => {
    const folder = await tempFolder();
    await (await open(folder)).inbox.accept(statement({ expires: '2026-12-01T00:00:00Z' }));
    const floor = { now: () => Date.parse('2027-01-01T00:00:00Z') };
    const { inbox, refused } = await open(folder, { floor });
    expect(inbox.accepted).toMatchObject({ sequence: 5 });
    expect(refused).toEqual([]);
  });

  it('takes the statement of the sequence it knows again when it was lost, and no other of it after that', async () => {
    const { inbox, accepted } = await open(await tempFolder(), {}, 5);
    await inbox.accept(statement());
    expect(accepted.map(({ sequence }) => sequence)).toEqual([5]);
    await expect(inbox.accept(statement({ issued: '2026-02-02T00:00:00Z' }))).rejects.toMatchObject({
      code: 'desired_state_replayed',
    });
  });

  it('accepts nothing it cannot store', async () => {
    const { inbox, accepted } = await open(join(await tempFolder(), 'absent'));
    await expect(inbox.accept(statement())).rejects.toThrow();
    expect(accepted).toEqual([]);
    expect(inbox.sequence).toBe(0);
  });

  it('attempts again at a message whose keys have not come yet', async () => {
    let tries = 0;
    const trust = {
      storedDirectorKeys: async () => keys,
      directorKeys: async () => {
        tries += 1;
        if (tries === 1) throw new AppError('trust_unavailable', 'The metadata has not come.');
        return keys;
      },
    };
    const clock = { ...systemClock, sleep: async () => undefined };
    const { inbox, accepted, refused } = await open(await tempFolder(), { trust, clock });
    inbox.receive(statement(), new AbortController().signal);
    await vi.waitFor(() => expect(accepted).toHaveLength(1));
    expect(refused).toEqual(['trust_unavailable', undefined]);
  });

  it('does not look for ever at a message nobody we know has signed', async () => {
    const clock = { ...systemClock, sleep: async () => undefined };
    let attempts = 0;
    const trust = {
      storedDirectorKeys: async () => keys,
      directorKeys: async () => {
        attempts += 1;
        return keys;
      },
    };
    const { inbox, accepted, refused } = await open(await tempFolder(), { clock, trust });
    const { signal } = new AbortController();
    inbox.receive(statement({}, stranger), signal);
    await vi.waitFor(() => expect(refused).toEqual(['signature_invalid']));
    expect(attempts).toBe(3);
    // The next one is taken after the inbox has given up on the first.
    inbox.receive(statement(), signal);
    await vi.waitFor(() => expect(accepted).toHaveLength(1));
    expect(attempts).toBe(4);
  });

  /** An inbox that always meets the fault, on a clock that records what is waited. */
  const failing = async (
    fault: () => AppError | undefined,
    stopsAfterAttempts = Number.POSITIVE_INFINITY,
  ) => {
    let tick = (): void => undefined;
    const waits: number[] = [];
    let nowMs = 0;
    let attempts = 0;
    let isHeld = false;
    const clock = {
      now: () => systemClock.now() + nowMs,
      monotonic: systemClock.monotonic,
      async sleep(ms: number, signal?: AbortSignal) {
        waits.push(ms);
        await new Promise<void>((resolve) => {
          tick = resolve;
          isHeld = attempts >= stopsAfterAttempts;
          if (!isHeld) setImmediate(resolve);
          signal?.addEventListener('abort', () => resolve(), { once: true });
        });
        signal?.throwIfAborted();
      },
    };
    const trust = {
      storedDirectorKeys: async () => keys,
      directorKeys: async () => {
        attempts += 1;
        const error = fault();
        if (error) throw error;
        return keys;
      },
    };
    const opened = await open(await tempFolder(), { clock, trust });
    return {
      ...opened,
      waits,
      attempts: () => attempts,
      /** Whether it is in the wait that only news end. */
      isHeld: () => isHeld,
      setClock: (ms: number) => {
        nowMs = ms;
        tick();
      },
    };
  };
  const expired = (n: number) => new AppError('metadata_expired', `It expired; it is ${n} o'clock here.`);

  it('attempts again later and later at what stays refused, and tells it once', async () => {
    let hours = 0;
    const { inbox, refused, waits, attempts } = await failing(() => {
      hours += 1;
      return expired(hours);
    });
    const stop = new AbortController();
    inbox.receive(statement(), stop.signal);
    await vi.waitFor(() => expect(attempts()).toBeGreaterThan(10));
    stop.abort(new Error('enough'));
    const total = waits.reduce((sum, ms) => sum + ms, 0);
    expect(total / attempts()).toBeGreaterThan(300_000);
    expect(waits.slice(0, 3)).toEqual([5_000, 10_000, 20_000]);
    expect(Math.max(...waits)).toBeLessThanOrEqual(30_000);
    expect(refused).toEqual(['metadata_expired']);
  });

  it.each(['trust metadata comes', 'another statement comes', 'the clock is set'])(
    'attempts at once when %s in the middle of a long wait',
    async (news) => {
      let isOver = false;
      const { inbox, accepted, attempts, waits, isHeld, setClock } = await failing(
        () => (isOver ? undefined : expired(1)),
        7,
      );
      const { signal } = new AbortController();
      inbox.receive(statement(), signal);
      await vi.waitFor(() => expect(isHeld()).toBe(true));
      expect(attempts()).toBe(7);
      isOver = true;
      const before = waits.length;
      if (news === 'trust metadata comes') inbox.retryNow(signal);
      else if (news === 'another statement comes') inbox.receive(statement({ sequence: 6 }), signal);
      else setClock(3_600_000);
      await vi.waitFor(() => expect(accepted).toHaveLength(1));
      expect(waits.length - before).toBeLessThan(3);
    },
  );

  it('attempts at a statement again when the metadata that names its key comes late', async () => {
    let known = new Map<string, string>();
    const clock = { ...systemClock, sleep: async () => undefined };
    const directorKeys = vi.fn(async () => known);
    const trust = { directorKeys, storedDirectorKeys: async () => known };
    const { inbox, accepted, refused } = await open(await tempFolder(), { clock, trust });
    const { signal } = new AbortController();
    inbox.receive(statement(), signal);
    // The last attempt without news.
    await vi.waitFor(() => expect(directorKeys).toHaveBeenCalledTimes(3));
    expect(refused).toEqual(['signature_invalid']);
    known = keys;
    inbox.retryNow(signal);
    await vi.waitFor(() => expect(accepted).toHaveLength(1));
    expect(refused).toEqual(['signature_invalid', undefined]);
  });
});
