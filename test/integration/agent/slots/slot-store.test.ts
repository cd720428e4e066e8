import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { SlotChunks } from '../../../../agent/slots/slot-chunks.ts';
import { SlotStore } from '../../../../agent/slots/slot-store.ts';
import { freeBytes } from '../../../../platform/free-bytes.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { type PackedVersion, packedVersion } from '../../../support/packed-version.ts';
import { canMount, smallDisk } from '../../../support/small-disk.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const never = new AbortController().signal;
const v1 = packedVersion({ version: '1.0.0', bytes: limits.chunkBytes + 100 });
const v2 = packedVersion({ version: '2.0.0', bytes: 100 });

async function open(root: string): Promise<SlotStore> {
  const logger = pino({ level: 'silent' });
  await mkdir(join(root, 'state'), { recursive: true });
  const props = {
    folder: join(root, 'slots'),
    indexFile: join(root, 'state/slots.json'),
    keepPrevious: 2,
    logger,
  };
  const store = new SlotStore(props);
  await store.load();
  return store;
}

const install = (store: SlotStore, version: PackedVersion) =>
  store.install(version.manifestBytes, async (digest) => version.blobs.get(digest)!, never);
const refOf = ({ manifestSha256: manifest, version, release }: PackedVersion) => ({
  manifest,
  version,
  release,
  provider: 'cpu',
});

async function commit(store: SlotStore, version: PackedVersion): Promise<void> {
  await install(store, version);
  await store.startTrial('demo', refOf(version));
  await store.commit('demo');
}

describe('SlotStore', () => {
  it('installs a version as the files its manifest names', async () => {
    const store = await open(await tempFolder());
    const slot = await install(store, v1);
    expect(slot).toMatchObject({
      model: 'demo',
      version: '1.0.0',
      release: 1,
      manifestSha256: v1.manifestSha256,
    });
    expect((await readdir(slot.folder)).sort()).toEqual(['.manifest.json', 'golden.json', 'model.onnx']);
  });

  it('loses no change of one model to a change of another at the same time', async () => {
    const root = await tempFolder();
    const store = await open(root);
    const names = ['one', 'two', 'three'] as const;
    const [one, two, three] = names.map((model) => packedVersion({ model, version: '1.0.0', bytes: 100 }));
    const versions = [one!, two!, three!];
    for (const version of versions) await install(store, version);
    await Promise.all(versions.map((version) => store.startTrial(version.model, refOf(version))));
    await Promise.all([store.commit('one'), store.endTrial('two'), store.startTrial('three', refOf(three!))]);
    for (const found of [store, await open(root)]) {
      expect(found.of('one').active).toMatchObject({ version: '1.0.0' });
      expect(found.of('two').trial).toBeUndefined();
      expect(found.of('three').trial).toMatchObject({ version: '1.0.0' });
    }
  });

  it('keeps roles over a restart', async () => {
    const root = await tempFolder();
    const store = await open(root);
    await commit(store, v1);
    await install(store, v2);
    await store.startTrial('demo', refOf(v2));
    const again = await open(root);
    expect(again.of('demo')).toEqual(store.of('demo'));
    expect(again.of('demo')).toMatchObject({ active: { version: '1.0.0' }, trial: { version: '2.0.0' } });
  });

  it('does not put on trial what was changed on the disk', async () => {
    const root = await tempFolder();
    const store = await open(root);
    const slot = await install(store, v1);
    await writeFile(join(slot.folder, 'model.onnx'), 'other bytes');
    const again = await open(root);
    await expect(again.startTrial('demo', refOf(v1))).rejects.toMatchObject({ code: 'slot_damaged' });
    expect(again.of('demo').trial).toBeUndefined();
  });

  it('gives no slot whose manifest was changed or is gone', async () => {
    const root = await tempFolder();
    const store = await open(root);
    const slot = await install(store, v1);
    const manifest = join(slot.folder, '.manifest.json');
    await writeFile(manifest, (await readFile(manifest, 'utf8')).replace('model.onnx', 'golden.json'));
    await expect(store.verify(v1.manifestSha256)).rejects.toMatchObject({ code: 'slot_damaged' });
    await expect(store.verify('0'.repeat(64))).rejects.toMatchObject({ code: 'slot_damaged' });
  });

  it('installs a damaged slot anew', async () => {
    const root = await tempFolder();
    const slot = await install(await open(root), v1);
    await writeFile(join(slot.folder, 'model.onnx'), 'other bytes');
    await install(await open(root), v1);
    await expect((await open(root)).verify(v1.manifestSha256)).resolves.toBeDefined();
  });

  it('rebuilds an unreadable index from the commits: an unproven trial is forgotten', async () => {
    const root = await tempFolder();
    const store = await open(root);
    const v3 = packedVersion({ version: '3.0.0', bytes: 100 });
    await commit(store, v1);
    await commit(store, v2);
    await store.goBack('demo', refOf(v1));
    await install(store, v3);
    await store.startTrial('demo', refOf(v3));
    await writeFile(join(root, 'state/slots.json'), '{"v":1');
    const again = await open(root);
    expect(again.wasRebuilt).toBe(true);
    expect(again.of('demo')).toMatchObject({
      active: { version: '1.0.0' },
      previous: [{ version: '2.0.0' }],
      floor: 2,
    });
    expect(again.of('demo').trial).toBeUndefined();
    expect((await open(root)).wasRebuilt).toBe(false);
  });

  it('pays for a damaged entry of the index with that model alone, and makes it again from the commits', async () => {
    const root = await tempFolder();
    const store = await open(root);
    await commit(store, v1);
    await store.startTrial('other', refOf(v1));
    const file = join(root, 'state/slots.json');
    const { models } = JSON.parse(await readFile(file, 'utf8'));
    await writeFile(
      file,
      JSON.stringify({ v: 1, models: { ...models, demo: 'x', 'NO NAME': {}, constructor: 1 } }),
    );
    const again = await open(root);
    expect(again.wasRebuilt).toBe(true);
    expect(again.damagedEntries).toEqual(['demo', 'NO NAME', 'constructor']);
    expect(again.of('demo')).toMatchObject({ active: { version: '1.0.0' } });
    expect(again.of('other')).toEqual(store.of('other'));
    expect(again.models()).toEqual(['other', 'demo']);
    expect((await open(root)).wasRebuilt).toBe(false);
  });

  it.each(['constructor', 'valueof'])(
    'takes no inherited key for the slots of a model called "%s"',
    async (model) => {
      const root = await tempFolder();
      const store = await open(root);
      expect(store.of(model)).toEqual({ previous: [], floor: 0 });
      const version = packedVersion({ model, version: '1.0.0', bytes: 100 });
      await install(store, version);
      await store.startTrial(model, refOf(version));
      await store.commit(model);
      expect((await open(root)).of(model).active).toMatchObject({ version: '1.0.0' });
    },
  );

  it('believes the manifests, not the index, of what a version is called; corrects it and says so', async () => {
    const root = await tempFolder();
    const store = await open(root);
    await commit(store, v1);
    await commit(store, v2);
    const file = join(root, 'state/slots.json');
    const index = (await readFile(file, 'utf8')).replace('"version":"2.0.0"', '"version":"1.7.0"');
    await writeFile(file, index);
    const again = await open(root);
    expect(again.of('demo')).toEqual(store.of('demo'));
    expect(again.repairs).toContain('"demo" 1.7.0 (release 2) is 2.0.0 (release 2) in truth.');
    expect((await open(root)).repairs).toBeUndefined();
  });

  it('removes what has no role, and what an install left half done', async () => {
    const root = await tempFolder();
    const store = await open(root);
    await commit(store, v1);
    await install(store, v2);
    await mkdir(join(root, 'slots', `${'9'.repeat(64)}.new`));
    expect(await store.collect(new Set([v2.manifestSha256]))).toBe(0);
    expect(await store.onDisk()).toHaveLength(2);
    expect(await store.collect(new Set())).toBe(1);
    expect(await readdir(join(root, 'slots'))).toEqual([v1.manifestSha256]);
  });

  it('finds chunks in installed files, and only while they are intact', async () => {
    const root = await tempFolder();
    const store = await open(root);
    const slot = await install(store, v1);
    const chunks = new SlotChunks(store);
    await chunks.refresh();
    const [first, second] = v1.manifest.files[0]!.chunks;
    expect(Buffer.from((await chunks.read(second!))!)).toEqual(Buffer.from(v1.blobs.get(second!)!));
    const file = join(slot.folder, 'model.onnx');
    const bytes = await readFile(file);
    bytes[5]! ^= 1;
    await writeFile(file, bytes);
    expect(await chunks.read(first!)).toBeUndefined();
    expect(await chunks.read(second!)).toBeDefined();
  });
});

describe('a full disk', () => {
  it.runIf(canMount)('ends an install with its code, and what was there goes on', async () => {
    const root = await smallDisk(512);
    const store = await open(root);
    await commit(store, v2);
    const large = packedVersion({ version: '3.0.0', bytes: 3 * limits.chunkBytes });
    expect(await freeBytes(root)).toBeLessThan(512 * 1024);
    await expect(install(store, large)).rejects.toMatchObject({ code: 'disk_full' });
    expect(store.of('demo').active?.version).toBe('2.0.0');
    await expect(store.verify(v2.manifestSha256)).resolves.toBeDefined();
    expect(await readdir(join(root, 'slots'))).toEqual([v2.manifestSha256]);
  });
});
