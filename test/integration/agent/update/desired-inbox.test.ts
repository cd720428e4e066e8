import { generateKeyPairSync } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, it, vi } from 'vitest';
import { DesiredInbox, type DesiredInboxProps } from '../../../../agent/update/desired-inbox.ts';
import { systemClock } from '../../../../platform/system-clock.ts';
import { AppError } from '../../../../shared/base/app-error.ts';
import { type DesiredState, desiredStateType } from '../../../../shared/protocol/desired-state.ts';
import { signDsse } from '../../../../shared/tuf/dsse.ts';
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
    trust: { directorKeys: async () => keys },
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

  it('refuses one that has expired by what was signed, on a clock that was set back', async () => {
    const clock = { ...systemClock, now: () => 0 };
    const floor = { now: () => Date.parse('2026-03-01T00:00:00Z') };
    const { inbox } = await open(await tempFolder(), { clock, floor });
    await expect(inbox.accept(statement({ expires: '2026-02-01T00:00:00Z' }))).rejects.toMatchObject({
      code: 'desired_state_expired',
      message: expect.stringContaining('it is 2026-03-01T00:00:00.000Z'),
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

  it('accepts nothing it cannot store', async () => {
    const { inbox, accepted } = await open(join(await tempFolder(), 'absent'));
    await expect(inbox.accept(statement())).rejects.toThrow();
    expect(accepted).toEqual([]);
    expect(inbox.sequence).toBe(0);
  });

  it('looks again at a message whose keys have not come yet', async () => {
    let tries = 0;
    const trust = {
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
    const { inbox, refused } = await open(await tempFolder(), { clock });
    inbox.receive(statement({}, stranger), new AbortController().signal);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(refused).toEqual(['signature_invalid', 'signature_invalid', 'signature_invalid']);
  });
});
