import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { ClockFloor } from '../../../../agent/trust/clock-floor.ts';
import { VerifiedFiles } from '../../../../agent/trust/verified-files.ts';
import { VerifiedVersions } from '../../../../agent/trust/verified-versions.ts';
import { publishVersion, sendWithdrawal } from '../../../../cli/trust/publish-version.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { currentPublisher, ModelHub, packedFolder } from '../../../support/model-hub.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const firstModels = { position: { columns: ['model'], isDescending: false }, limit: 10 };

const codeOf = (code: string) => expect.objectContaining({ code });

async function deviceOf(hub: ModelHub): Promise<VerifiedVersions> {
  const folder = await tempFolder();
  await writeFile(join(folder, 'root.json'), (await hub.repository.rootFile())!);
  const versions = new VerifiedVersions({
    files: new VerifiedFiles(folder),
    floor: await ClockFloor.open(join(folder, 'clock-floor.json'), hub.clock),
    clock: hub.clock,
    logger: pino({ level: 'silent' }),
    timeoutMs: 300,
  });
  deliver(hub, versions);
  return versions;
}

function deliver(hub: ModelHub, versions: VerifiedVersions): void {
  for (const [topic, payload] of hub.retained) versions.onTrust(topic.split('/').at(-1)!, payload);
}

describe('publishing a version', () => {
  it('reaches a device that verifies it from the pinned root', async () => {
    const hub = await ModelHub.start();
    const trust = await hub.initialise({ rootKeys: 3, rootThreshold: 2 });
    const packed = await packedFolder({ version: '1.0.0' });
    const published = await publishVersion(packed, hub.tools(trust));
    expect(published).toMatchObject({ model: 'demo', version: '1.0.0', release: 1, publishedBy: 'admin' });
    const device = await deviceOf(hub);
    await expect(device.lookUp('demo', '1.0.0')).resolves.toMatchObject({
      manifestSha256: packed.manifestSha256,
      manifestBytes: packed.manifestBytes.byteLength,
    });
    const [keyid] = (await device.directorKeys()).keys();
    expect(keyid).toBe(hub.keys.publicKeys.director.keyid);
    expect(await hub.blobs.has(packed.manifestSha256)).toBe(true);
    expect(await hub.models.hasChunk(packed.manifestSha256, packed.manifest.files[0]!.chunks[0]!)).toBe(true);
    const actions = (await hub.audit.list()).map((event) => event.action);
    expect(actions).toEqual(['version.published', 'trust.initialised']);
  });

  it('sends only chunks that the hub does not hold', async () => {
    const hub = await ModelHub.start();
    const trust = await hub.initialise();
    const first = await publishVersion(await packedFolder({ version: '1.0.0' }), hub.tools(trust));
    const second = await publishVersion(await packedFolder({ version: '2.0.0' }), hub.tools(trust));
    expect(first.uploadedBytes).toBeGreaterThan(3 * limits.chunkBytes);
    expect(second.uploadedBytes).toBe(first.uploadedBytes - '{"samples":[]}'.length);
  });

  it('is listed, shown and withdrawn, and devices learn why', async () => {
    const hub = await ModelHub.start();
    const trust = await hub.initialise();
    const tools = hub.tools(trust);
    await publishVersion(await packedFolder({ version: '1.0.0' }), tools);
    await publishVersion(await packedFolder({ version: '2.0.0' }), tools);
    const withdrawn = await sendWithdrawal({ model: 'demo', version: '1.0.0', reason: 'wrong unit' }, tools);
    expect(withdrawn.withdrawn?.reason).toBe('wrong unit');
    const viewer = hub.clientAs('viewer');
    expect(await viewer.get('/models')).toMatchObject({
      models: [{ model: 'demo', versions: 2, newest: { version: '2.0.0' } }],
    });
    expect(await viewer.get('/models/demo')).toMatchObject({
      versions: [{ version: '1.0.0', withdrawn: { reason: 'wrong unit' } }, { version: '2.0.0' }],
    });
    expect(await viewer.get('/models/demo/versions/1.0.0')).toMatchObject({ manifest: { version: '1.0.0' } });
    await expect(viewer.get('/models/demo/versions/9.0.0')).rejects.toEqual(codeOf('not_found'));
    await expect(viewer.get('/models/none')).rejects.toEqual(codeOf('not_found'));
    const device = await deviceOf(hub);
    await expect(device.lookUp('demo', '1.0.0')).resolves.toMatchObject({ withdrawnReason: 'wrong unit' });
    await expect(sendWithdrawal({ model: 'demo', version: '1.0.0', reason: 'again' }, tools)).rejects.toEqual(
      codeOf('version_withdrawn'),
    );
    expect((await hub.audit.list())[0]).toMatchObject({
      action: 'version.withdrawn',
      target: 'model/demo@1.0.0',
    });
  });

  it('survives a restart of the hub, which puts trust back on the broker', async () => {
    const hub = await ModelHub.start();
    const trust = await hub.initialise();
    await publishVersion(await packedFolder({ version: '1.0.0' }), hub.tools(trust));
    const before = new Map([...hub.retained].map(([topic, bytes]) => [topic, Buffer.from(bytes)]));
    await hub.restart();
    expect(new Map([...hub.retained].map(([topic, bytes]) => [topic, Buffer.from(bytes)]))).toEqual(before);
    await expect(hub.models.find('demo', '1.0.0')).resolves.toMatchObject({ release: 1 });
    await publishVersion(await packedFolder({ version: '2.0.0' }), hub.tools(trust));
  });

  it('lets exactly one of two concurrent publishers of a version win', async () => {
    const hub = await ModelHub.start();
    const trust = await hub.initialise();
    const packs = await Promise.all([
      packedFolder({ version: '1.0.0', bytes: 5_000 }),
      packedFolder({ version: '1.0.0', bytes: 6_000 }),
    ]);
    const outcomes = await Promise.allSettled(
      packs.map((packed) => publishVersion(packed, hub.tools(trust))),
    );
    expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(1);
    expect(outcomes.find((outcome) => outcome.status === 'rejected')?.reason).toEqual(
      codeOf('version_exists'),
    );
  });

  it('publishes different models at once, each after fetching again what was stale', async () => {
    const hub = await ModelHub.start();
    const trust = await hub.initialise();
    const packs = await Promise.all(
      ['a', 'b', 'c', 'd'].map((model) => packedFolder({ model, version: '1.0.0', bytes: 2_000 })),
    );
    await Promise.all(packs.map((packed) => publishVersion(packed, hub.tools(trust))));
    expect((await hub.models.models(firstModels)).map((version) => version.model)).toEqual([
      'a',
      'b',
      'c',
      'd',
    ]);
    expect((await currentPublisher(hub)).signed.version).toBe(5);
  });
});

describe('the publisher refuses to sign', () => {
  it('with a key that did not sign what the hub shows', async () => {
    const hub = await ModelHub.start();
    const trust = await hub.initialise();
    const packed = await packedFolder({ version: '1.0.0', bytes: 500 });
    const tools = { ...hub.tools(trust), key: trust.keys.get('targets')! };
    await expect(publishVersion(packed, tools)).rejects.toEqual(codeOf('signature_invalid'));
  });

  it('on top of metadata that a hub changed', async () => {
    const hub = await ModelHub.start();
    const trust = await hub.initialise();
    await publishVersion(await packedFolder({ version: '1.0.0', bytes: 500 }), hub.tools(trust));
    const honest = hub.tools(trust);
    const lying = {
      ...honest,
      hub: {
        post: honest.hub.post.bind(honest.hub),
        putBytes: honest.hub.putBytes.bind(honest.hub),
        get: async (path: string) => {
          const text = JSON.stringify(await honest.hub.get(path));
          return JSON.parse(text.replaceAll('"release":1', '"release":9'));
        },
      } as unknown as typeof honest.hub,
    };
    const packed = await packedFolder({ version: '2.0.0', bytes: 600 });
    await expect(publishVersion(packed, lying)).rejects.toEqual(codeOf('signature_invalid'));
  });

  it('on top of metadata older than what it has signed', async () => {
    const hub = await ModelHub.start();
    const trust = await hub.initialise();
    const old = (await hub.repository.current('publisher'))!;
    const honest = hub.tools(trust);
    await publishVersion(await packedFolder({ version: '1.0.0', bytes: 500 }), honest);
    const replaying = {
      ...honest,
      hub: {
        post: honest.hub.post.bind(honest.hub),
        putBytes: honest.hub.putBytes.bind(honest.hub),
        get: async (path: string) =>
          path === '/trust/publisher' ? JSON.parse(Buffer.from(old).toString()) : honest.hub.get(path),
      } as unknown as typeof honest.hub,
    };
    const packed = await packedFolder({ version: '2.0.0', bytes: 600 });
    await expect(publishVersion(packed, replaying)).rejects.toEqual(codeOf('metadata_rolled_back'));
  });
});
