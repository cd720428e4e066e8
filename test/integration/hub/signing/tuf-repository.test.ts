import { chmod, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { runExpiryRefresh } from '../../../../hub/signing/expiry-refresh.ts';
import { OnlineKeys } from '../../../../hub/signing/online-keys.ts';
import { encodeMetadata, parseMetadata, signMetadata } from '../../../../shared/tuf/metadata-file.ts';
import { ModelHub, trustBody } from '../../../support/model-hub.ts';
import { tempFolder } from '../../../support/temp-folder.ts';
import { newKey, TrustWorld, type TrustWorldOptions } from '../../../support/trust-world.ts';

const DAY_MS = 86_400_000;
const codeOf = (code: string, text?: string) =>
  expect.objectContaining({ code, ...(text ? { message: expect.stringContaining(text) } : {}) });

async function hubAndWorld(options: Partial<TrustWorldOptions> = {}) {
  const hub = await ModelHub.start();
  const world = new TrustWorld({ nowMs: hub.nowMs, online: hub.keys, ...options });
  const give = (change: Partial<TrustWorld['bundle']> = {}) =>
    hub.client.post('/trust', trustBody({ ...world.bundle, ...change }));
  return { hub, world, give };
}

describe('taking on a trust root', () => {
  it('signs snapshot and timestamp and puts every file on its topic', async () => {
    const { hub, world, give } = await hubAndWorld({ rootKeys: 3, rootThreshold: 2 });
    await give();
    expect([...hub.retained.keys()]).toEqual(
      ['root', 'targets', 'publisher', 'director', 'snapshot', 'timestamp'].map(
        (role) => `mf/1/trust/${role}`,
      ),
    );
    expect(await hub.client.get('/trust')).toMatchObject({
      initialised: true,
      roles: ['root', 'targets', 'publisher', 'snapshot', 'timestamp'].map((role) => ({ role, version: 1 })),
    });
    expect(Buffer.from((await hub.repository.rootFile())!)).toEqual(world.roots[0]);
    expect(await hub.client.get('/trust/root')).toMatchObject({ signed: { _type: 'root' } });
  });

  it('has nothing before', async () => {
    const hub = await ModelHub.start();
    expect(await hub.repository.rootFile()).toBeUndefined();
    expect(await hub.client.get('/trust')).toEqual({ initialised: false, roles: [] });
    await expect(hub.client.get('/trust/root')).rejects.toEqual(codeOf('trust_not_initialised'));
    await expect(hub.client.get('/trust/passwd')).rejects.toEqual(codeOf('bad_input'));
    expect(await hub.repository.renew()).toBe(false);
    await hub.repository.republish();
    expect(hub.retained.size).toBe(0);
  });

  it('refuses a second one', async () => {
    const { hub, give } = await hubAndWorld();
    await give();
    const other = new TrustWorld({ nowMs: hub.nowMs, online: hub.keys });
    await expect(hub.client.post('/trust', trustBody(other.bundle))).rejects.toEqual(codeOf('trust_exists'));
  });

  it('refuses a root below its threshold', async () => {
    const { world, give } = await hubAndWorld({ rootKeys: 3, rootThreshold: 2 });
    const root = world.makeRootFile({ version: 1, signers: world.root.slice(0, 1) });
    await expect(give({ root })).rejects.toEqual(codeOf('signature_invalid'));
  });

  it('does not count one key twice', async () => {
    const { world, give } = await hubAndWorld({ rootKeys: 2, rootThreshold: 2 });
    const signedOnce = JSON.parse(
      world.makeRootFile({ version: 1, signers: world.root.slice(0, 1) }).toString(),
    );
    // The same signature twice under one id.
    const twice = { ...signedOnce, signatures: [...signedOnce.signatures, ...signedOnce.signatures] };
    await expect(give({ root: Buffer.from(JSON.stringify(twice)) })).rejects.toEqual(
      codeOf('metadata_invalid'),
    );
    // The same key under a second, invented id, signed by it as such.
    const [id] = Object.keys(signedOnce.signed.keys);
    const alias = 'f'.repeat(64);
    signedOnce.signed.keys[alias] = signedOnce.signed.keys[id!];
    signedOnce.signed.roles.root.keyids = [id, alias];
    await expect(give({ root: Buffer.from(JSON.stringify(signedOnce)) })).rejects.toEqual(
      codeOf('metadata_invalid', 'not the digest of its key'),
    );
  });

  it('refuses a root that gives snapshot or timestamp to a key it does not have', async () => {
    const { hub } = await hubAndWorld();
    for (const role of ['snapshot', 'timestamp', 'director'] as const) {
      const online = {
        snapshot: hub.keys.snapshot,
        timestamp: hub.keys.timestamp,
        director: hub.keys.director,
      };
      const world = new TrustWorld({ nowMs: hub.nowMs, online: { ...online, [role]: newKey() } });
      await expect(hub.client.post('/trust', trustBody(world.bundle))).rejects.toEqual(
        codeOf('metadata_invalid', role),
      );
    }
  });

  it('refuses a root that gives an offline role to a key of the hub', async () => {
    const { hub, world, give } = await hubAndWorld();
    const root = world.makeRootFile({
      version: 1,
      members: [hub.keys.director],
      signers: [hub.keys.director],
    });
    await expect(give({ root })).rejects.toEqual(codeOf('metadata_invalid', 'offline'));
  });

  it('refuses targets signed with another key', async () => {
    const { world, give } = await hubAndWorld();
    await expect(give({ targets: world.makeTargetsFile(undefined, newKey()) })).rejects.toEqual(
      codeOf('signature_invalid'),
    );
  });

  it.each([['**'], ['models/*/*/*'], ['director.json'], ['models/../*/manifest.json']])(
    'refuses a delegation of %s to the publisher',
    async (path) => {
      const { world, give } = await hubAndWorld();
      await expect(give({ targets: world.makeTargetsFile([path]) })).rejects.toEqual(
        codeOf('metadata_invalid', 'paths'),
      );
    },
  );

  it('refuses publisher metadata of another key, and such that holds versions already', async () => {
    const { hub, world, give } = await hubAndWorld();
    const stranger = new TrustWorld({ nowMs: hub.nowMs, online: hub.keys });
    await expect(give({ publisher: stranger.bundle.publisher })).rejects.toEqual(codeOf('signature_invalid'));
    world.publish('air', '1.0.0', 1);
    await expect(give()).rejects.toEqual(codeOf('metadata_invalid', 'not empty'));
  });

  it('refuses a director file that is not the signed target', async () => {
    const { world, give } = await hubAndWorld();
    const director = Buffer.concat([world.bundle.director, Buffer.from(' ')]);
    await expect(give({ director })).rejects.toEqual(codeOf('metadata_invalid', 'director.json'));
  });

  it('refuses metadata that has expired', async () => {
    const { hub, give } = await hubAndWorld();
    hub.nowMs += 366 * DAY_MS;
    await expect(give()).rejects.toEqual(codeOf('metadata_expired'));
  });

  it('leaves nothing behind when it refuses', async () => {
    const { hub, world, give } = await hubAndWorld();
    await expect(give({ targets: world.makeTargetsFile(['**']) })).rejects.toThrow();
    expect(await hub.client.get('/trust')).toMatchObject({ initialised: false });
    expect(hub.retained.size).toBe(0);
    await give();
  });
});

describe('renewal', () => {
  it('signs the timestamp again after half its life, the snapshot after half of its own', async () => {
    const { hub, give } = await hubAndWorld();
    await give();
    const versions = async () =>
      Object.fromEntries((await hub.repository.status()).map(({ role, version }) => [role, version]));
    expect(await hub.repository.renew()).toBe(false);
    hub.nowMs += 0.6 * DAY_MS;
    expect(await hub.repository.renew()).toBe(true);
    expect(await versions()).toMatchObject({ snapshot: 1, timestamp: 2 });
    hub.nowMs += 4 * DAY_MS;
    expect(await hub.repository.renew()).toBe(true);
    expect(await versions()).toMatchObject({ snapshot: 2, timestamp: 3 });
    const retained = parseMetadata('timestamp', hub.retained.get('mf/1/trust/timestamp')!);
    expect(Date.parse(retained.signed.expires)).toBeGreaterThan(hub.nowMs);
  });

  it('runs on the clock until it is told to stop, and outlives a failure', async () => {
    const stop = new AbortController();
    let calls = 0;
    let nowMs = 0;
    const repository = {
      renew: async () => {
        calls += 1;
        if (calls === 1) throw new Error('disk');
        if (calls === 3) stop.abort();
        return true;
      },
      status: async () => [{ role: 'root', version: 1, expires: '1970-01-02T00:00:00Z' }],
    };
    const clock = {
      now: () => nowMs,
      monotonic: () => nowMs,
      sleep: async (ms: number) => {
        nowMs += ms;
      },
    };
    await runExpiryRefresh({ repository, clock, logger: pino({ level: 'silent' }) }, stop.signal);
    expect(calls).toBe(3);
  });

  it('notices at start that the hub lost its keys', async () => {
    const { hub, give } = await hubAndWorld();
    await give();
    await rm(join(hub.folder, 'keys'), { recursive: true });
    await expect(hub.restart()).rejects.toEqual(codeOf('key_unreadable'));
  });
});

describe('OnlineKeys', () => {
  it('makes keys once, for their owner alone, and reads the same ones later', async () => {
    const folder = join(await tempFolder(), 'keys');
    const first = await OnlineKeys.open(folder);
    const second = await OnlineKeys.open(folder);
    expect(second.publicKeys).toEqual(first.publicKeys);
    expect((await readdir(folder)).sort()).toEqual(['director.pem', 'snapshot.pem', 'timestamp.pem']);
    for (const name of await readdir(folder)) {
      expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600);
      expect(await readFile(join(folder, name), 'utf8')).toContain('BEGIN PRIVATE KEY');
    }
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
  });

  it('refuses a damaged key file instead of making a new key', async () => {
    const folder = join(await tempFolder(), 'keys');
    await OnlineKeys.open(folder);
    await writeFile(join(folder, 'director.pem'), 'damaged');
    await expect(OnlineKeys.open(folder)).rejects.toEqual(codeOf('key_unreadable', 'director.pem'));
    await chmod(join(folder, 'director.pem'), 0o600);
  });
});

describe('metadata of a hub', () => {
  it('is signed by its online keys alone', async () => {
    const { hub, give } = await hubAndWorld();
    await give();
    const timestamp = parseMetadata('timestamp', (await hub.repository.current('timestamp'))!);
    expect(Object.keys(timestamp.signatures)).toEqual([hub.keys.publicKeys.timestamp.keyid]);
    signMetadata(timestamp, [hub.keys.timestamp]);
    expect(encodeMetadata(timestamp)).toEqual(Buffer.from((await hub.repository.current('timestamp'))!));
  });
});
