import { createHash } from 'node:crypto';
import { utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { BlobLedgerStore } from '../../../../hub/transfer/blob-ledger-store.ts';
import { packedVersion } from '../../../support/packed-version.ts';
import { DAY_MS, HOUR_MS, RetentionWorld } from '../../../support/retention-world.ts';

const small = (version: string, more: object = {}) => packedVersion({ version, bytes: 300_000, ...more });
const codeOf = (code: string) => expect.objectContaining({ code });
const reportOf = async (world: RetentionWorld, kind = 'unreferenced-blobs') =>
  (await world.collect()).find((report) => report.kind === kind)!;

describe('blobs that no version names', () => {
  it('leave when uploads are kept so long, and not before; what a version names stays', async () => {
    const world = await RetentionWorld.start();
    const [published, abandoned] = [small('1.0.0'), small('2.0.0')];
    await world.publish(published);
    await world.upload(abandoned);
    // The golden samples are those of the published version.
    const own = [...abandoned.blobs].filter(([digest]) => !published.blobs.has(digest)).slice(0, 2);
    world.clock.advance(DAY_MS - 1);
    expect(await reportOf(world)).toMatchObject({ count: 0 });
    world.clock.advance(1);
    const found = (await world.retention.preview()).find(({ kind }) => kind === 'unreferenced-blobs');
    const oldestAt = world.clock.now() - DAY_MS;
    expect(found).toMatchObject({ count: own.length, bytes: 300_000, oldestAt, isMore: false });
    expect(await reportOf(world)).toMatchObject({ count: own.length, bytes: 300_000, isMore: false });
    expect(await world.files()).toEqual([...published.blobs.keys()].sort());
    expect(await world.faults([published])).toEqual([]);
  });

  it('stay for whoever was told that they are there, and uploads them no second time', async () => {
    const world = await RetentionWorld.start();
    const packed = small('1.0.0');
    await world.upload(packed);
    world.clock.advance(DAY_MS - HOUR_MS);
    expect(await world.upload(packed)).toBe(0);
    world.clock.advance(DAY_MS - HOUR_MS);
    await world.collect();
    await world.announce(packed);
    world.clock.advance(100 * DAY_MS);
    await world.collect();
    expect(await world.faults([packed])).toEqual([]);
    expect(await world.keptVersions([packed])).toHaveLength(1);
  });

  it('stay while a publish that wants them is running, however long it takes', async () => {
    const world = await RetentionWorld.start();
    const packed = small('1.0.0');
    await world.upload(packed);
    const { get } = world.disk;
    // Reading takes longer than uploads are kept, and what may leave is looked for in between.
    world.disk.get = async (digest) => {
      world.clock.advance(DAY_MS);
      await world.collect();
      return get.call(world.disk, digest);
    };
    await world.announce(packed);
    expect(await world.faults([packed])).toEqual([]);
  });

  it('are missing for a publish that comes too late, which changes nothing, and can be uploaded again', async () => {
    const world = await RetentionWorld.start();
    const packed = small('1.0.0');
    await world.upload(packed);
    world.clock.advance(DAY_MS);
    await world.collect();
    await expect(world.announce(packed)).rejects.toEqual(codeOf('chunks_missing'));
    expect(await world.keptVersions([packed])).toEqual([]);
    expect(await world.publish(packed)).toBeGreaterThan(0);
    expect(await world.faults([packed])).toEqual([]);
  });

  it('that are just going are told of as missing, and uploaded anew once they are gone', async () => {
    const world = await RetentionWorld.start();
    const packed = small('1.0.0');
    await world.upload(packed);
    world.clock.advance(DAY_MS);
    const { delete: remove } = world.disk;
    const held = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    world.disk.delete = async (digest) => {
      begun.resolve();
      await held.promise;
      return remove.call(world.disk, digest);
    };
    const leaving = world.collect();
    await begun.promise;
    const publishing = world.publish(packed);
    held.resolve();
    expect(await publishing).toBe(packed.blobs.size - 1);
    await leaving;
    expect(await world.faults([packed])).toEqual([]);
  });

  it('that are just going are stored anew by whoever uploads them without asking', async () => {
    const world = await RetentionWorld.start();
    const packed = small('1.0.0');
    await world.upload(packed);
    world.clock.advance(DAY_MS);
    const [digest] = [...packed.blobs.keys()];
    const { delete: remove } = world.disk;
    const held = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    world.disk.delete = async (leaving) => {
      begun.resolve();
      await held.promise;
      return remove.call(world.disk, leaving);
    };
    const leaving = world.collect();
    await begun.promise;
    const putting = world.ledger.put(digest!, packed.blobs.get(digest!)!, 'ci');
    // Its row is there: what is left to do is the file.
    await vi.waitFor(async () => expect(await world.ledger.totals()).toMatchObject([{ uploadedBy: 'ci' }]));
    held.resolve();
    await Promise.all([leaving, putting]);
    expect(await world.files()).toEqual([digest]);
  });

  it('that somebody asks for after they were looked up, and before they go, stay', async () => {
    const world = await RetentionWorld.start();
    const packed = small('1.0.0');
    await world.upload(packed);
    world.clock.advance(DAY_MS);
    const { due } = BlobLedgerStore.prototype;
    const lookUp = vi.spyOn(BlobLedgerStore.prototype, 'due');
    onTestFinished(() => lookUp.mockRestore());
    lookUp.mockImplementationOnce(async function (this: BlobLedgerStore, ...args) {
      const found = await due.apply(this, args);
      await world.upload(packed);
      return found;
    });
    expect(await reportOf(world)).toMatchObject({ count: 0 });
    await world.announce(packed);
    expect(await world.faults([packed])).toEqual([]);
  });

  it('that the database does not know get a time of their own, and then leave', async () => {
    const world = await RetentionWorld.start();
    const [known, orphan] = [small('1.0.0'), small('2.0.0')];
    await world.publish(known);
    for (const [digest, bytes] of orphan.blobs) await world.disk.put(digest, bytes);
    // As a hub has them that was updated from a version without a ledger.
    await world.database.deleteFrom('blob').execute();
    await world.collect();
    expect(await world.faults([known])).toEqual([]);
    const { bytes } = (await world.ledger.totals()).find(({ isReferenced }) => isReferenced)!;
    expect(bytes).toBe([...known.blobs.values()].reduce((sum, blob) => sum + blob.byteLength, 0));
    world.clock.advance(DAY_MS - 1);
    expect(await world.upload(orphan)).toBe(0);
    world.clock.advance(DAY_MS - 1);
    expect(await reportOf(world)).toMatchObject({ count: 1 });
    world.clock.advance(1);
    await world.collect();
    expect(await world.files()).toEqual([...known.blobs.keys()].sort());
  });

  it('leave no file of a write that did not end', async () => {
    const world = await RetentionWorld.start();
    const packed = small('1.0.0');
    await world.publish(packed);
    const digest = packed.manifestSha256;
    const left = join(world.folder, 'blobs', digest.slice(0, 2), `${digest}.0123456789ab.tmp`);
    await writeFile(left, 'half');
    const seconds = (world.clock.now() - 2 * HOUR_MS) / 1_000;
    await utimes(left, seconds, seconds);
    // A new hub looks; the clock of the disk is that of the test from here on.
    await world.revive();
    expect(await reportOf(world, 'unfinished-uploads')).toMatchObject({ count: 0, isMore: false });
    world.clock.advance(DAY_MS);
    const preview = await world.retention.preview();
    expect(preview.find(({ kind }) => kind === 'unfinished-uploads')).toMatchObject({ count: 1, bytes: 4 });
    expect(await reportOf(world, 'unfinished-uploads')).toMatchObject({ count: 1, bytes: 4 });
    expect(await world.files()).toEqual([...packed.blobs.keys()].sort());
  });

  it('do not wait for a time that has not come yet when the clock was ahead', async () => {
    const world = await RetentionWorld.start();
    world.clock.set(world.clock.now() + 30 * DAY_MS);
    await world.upload(small('1.0.0'));
    world.clock.set(world.clock.now() - 30 * DAY_MS);
    const store = new BlobLedgerStore(world.database);
    expect(await store.clampFutureTimes(world.clock.now())).toBeGreaterThan(0);
    world.clock.advance(DAY_MS);
    await world.collect();
    expect(await world.files()).toEqual([]);
  });
});

describe('uploads', () => {
  const MIB = 1024 ** 2;
  const quotas = { uploadMaxPerTokenBytes: 2 * MIB, uploadMaxBytes: 3 * MIB, storageMaxBytes: 5 * MIB };
  const mib = (version: string, model = 'demo') => packedVersion({ version, model, bytes: MIB });

  it('are bounded of one token, with the figures and the way out, and publishing frees the quota', async () => {
    const world = await RetentionWorld.start(quotas);
    const [first, second] = [mib('1.0.0'), mib('2.0.0')];
    await world.upload(first, 'ci');
    await expect(world.upload(second, 'ci')).rejects.toMatchObject({
      code: 'upload_quota_exceeded',
      entry: { status: 429 },
      message: expect.stringMatching(
        /token "ci" has uploaded .* MiB .* limit is 2.0 MiB .*Publish it, or wait/,
      ),
    });
    await world.announce(first);
    await world.upload(second, 'ci');
    expect(await world.faults([first])).toEqual([]);
  });

  it('are bounded of all tokens together, and those that are there already cost nothing', async () => {
    const world = await RetentionWorld.start(quotas);
    await world.upload(mib('1.0.0'), 'a');
    await world.upload(mib('2.0.0'), 'b');
    await expect(world.upload(mib('3.0.0'), 'c')).rejects.toMatchObject({
      code: 'upload_quota_exceeded',
      message: expect.stringMatching(/limit is 3.0 MiB \(--upload-max\)/),
    });
    expect(await world.upload(mib('1.0.0'), 'c')).toBe(0);
    world.clock.advance(DAY_MS + 1);
    await world.collect();
    await world.upload(mib('3.0.0'), 'c');
  });

  it('do not fit beside versions that take it all, until one is withdrawn and has left', async () => {
    const world = await RetentionWorld.start({ ...quotas, storageMaxBytes: 2.5 * MIB });
    const [first, second, third] = [mib('1.0.0'), mib('2.0.0'), mib('3.0.0')];
    await world.publish(first);
    await world.publish(second);
    await expect(world.upload(third)).rejects.toMatchObject({
      code: 'storage_quota_exceeded',
      entry: { status: 507 },
      message: expect.stringMatching(/versions use 2.0 MiB, .* limit is 2.5 MiB \(--storage-max\)/),
    });
    await world.withdraw(first);
    await world.settle();
    await world.publish(third);
    expect(await world.faults([first, second, third])).toEqual([]);
  });

  it('of next to nothing are bounded as well: each takes up a file', async () => {
    const world = await RetentionWorld.start({ ...quotas, uploadMaxPerTokenBytes: 100 * 1024 });
    const put = (n: number) => {
      const bytes = Buffer.from(String(n));
      return world.ledger.put(createHash('sha256').update(bytes).digest('hex'), bytes, 'ci');
    };
    for (let n = 0; n < 24; n += 1) await put(n);
    await expect(put(24)).rejects.toMatchObject({ code: 'upload_quota_exceeded' });
    expect(await world.ledger.totals()).toMatchObject([{ blobs: 24 }]);
  });

  it('fit although a version as large as they may be has lost its files', async () => {
    const world = await RetentionWorld.start({
      ...quotas,
      uploadMaxBytes: 2 * MIB,
      storageMaxBytes: 100 * MIB,
    });
    const bad = packedVersion({ version: '1.0.0', bytes: 1.9 * MIB });
    await world.publish(bad);
    await world.withdraw(bad);
    world.clock.advance(world.options.withdrawnKeptMs);
    await world.collect();
    expect((await world.ledger.totals()).find(({ isReferenced }) => !isReferenced)).toMatchObject({
      uploadedBy: '',
    });
    await world.upload(packedVersion({ version: '2.0.0', bytes: 1.9 * MIB }));
    expect(await world.faults([bad])).toEqual([]);
  });

  it('that fail leave nothing that counts', async () => {
    const world = await RetentionWorld.start(quotas);
    const [[digest, bytes]] = [...mib('1.0.0').blobs] as [[string, Uint8Array]];
    await expect(world.ledger.put(digest, bytes.slice(1), 'ci')).rejects.toEqual(codeOf('bad_input'));
    expect(await world.ledger.totals()).toEqual([]);
    await Promise.all([world.ledger.put(digest, bytes, 'ci'), world.ledger.put(digest, bytes, 'ci')]);
    expect(await world.ledger.totals()).toEqual([
      { isReferenced: false, uploadedBy: 'ci', blobs: 1, bytes: bytes.byteLength },
    ]);
  });
});
