import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { publishVersion } from '../../../../cli/trust/publish-version.ts';
import { uploadChunks } from '../../../../cli/trust/upload-chunks.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { encodeMetadata, signMetadata } from '../../../../shared/tuf/metadata-file.ts';
import { addVersion } from '../../../../shared/tuf/published-targets.ts';
import { fileTarget, makePublisher } from '../../../../shared/tuf/trust-roles.ts';
import { currentPublisher, ModelHub, packedFolder } from '../../../support/model-hub.ts';
import { packedVersion } from '../../../support/packed-version.ts';
import { newKey } from '../../../support/trust-world.ts';

const firstModels = { position: { columns: ['model'], isDescending: false }, limit: 10 };
const firstVersions = { position: { columns: ['release'], isDescending: false }, limit: 10 };

const codeOf = (code: string) => expect.objectContaining({ code });

/** Posts a version with metadata made by `forge` from the current publisher metadata. */
async function postForged(
  hub: ModelHub,
  packed: { readonly manifestBytes: Uint8Array; readonly manifest: { readonly model: string } },
  metadata: Buffer,
): Promise<unknown> {
  return hub.client.post(`/models/${packed.manifest.model}/versions`, {
    manifest: Buffer.from(packed.manifestBytes).toString('base64'),
    metadata: metadata.toString('base64'),
  });
}

describe('the hub refuses', () => {
  async function prepared(options: { readonly model?: string } = {}) {
    const hub = await ModelHub.start();
    const trust = await hub.initialise(options);
    const packed = await packedFolder({ version: '1.0.0', bytes: 300_000 });
    await uploadChunks(packed, hub.client, () => undefined);
    const { model, version, release } = packed.manifest;
    const next = async () =>
      addVersion(
        await currentPublisher(hub),
        { model, version, release, manifest: packed.manifestBytes },
        hub.nowMs,
      );
    return { hub, trust, packed, next, key: trust.keys.get('publisher')! };
  }
  const notPublished = async (hub: ModelHub) => {
    expect(await hub.models.models(firstModels)).toEqual([]);
    expect((await currentPublisher(hub)).signed.version).toBe(1);
  };

  it('metadata signed with another key', async () => {
    const { hub, packed, next } = await prepared();
    const metadata = await next();
    signMetadata(metadata, [newKey()]);
    await expect(postForged(hub, packed, encodeMetadata(metadata))).rejects.toEqual(
      codeOf('signature_invalid'),
    );
    await notPublished(hub);
  });

  it('metadata that nobody signed', async () => {
    const { hub, packed, next } = await prepared();
    await expect(postForged(hub, packed, encodeMetadata(await next()))).rejects.toEqual(
      codeOf('signature_invalid'),
    );
    await notPublished(hub);
  });

  it('metadata with one byte changed after signing', async () => {
    const { hub, packed, next, key } = await prepared();
    const metadata = await next();
    signMetadata(metadata, [key]);
    const changed = encodeMetadata(metadata).toString().replace('"release":1', '"release":2');
    await expect(postForged(hub, packed, Buffer.from(changed))).rejects.toEqual(codeOf('signature_invalid'));
    await notPublished(hub);
  });

  it('a manifest with one byte changed', async () => {
    const { hub, packed, next, key } = await prepared();
    const metadata = await next();
    signMetadata(metadata, [key]);
    const changed = Buffer.from(
      Buffer.from(packed.manifestBytes).toString().replace('2026-11-01', '2026-11-02'),
    );
    await expect(
      postForged(hub, { ...packed, manifestBytes: changed }, encodeMetadata(metadata)),
    ).rejects.toEqual(codeOf('artifact_mismatch'));
    await notPublished(hub);
  });

  it('a chunk whose bytes are not those of its name', async () => {
    const { hub } = await prepared();
    const digest = createHash('sha256').update('right').digest('hex');
    await expect(hub.client.putBytes(`/blobs/${digest}`, Buffer.from('wrong'))).rejects.toEqual(
      codeOf('bad_input'),
    );
    await expect(hub.client.putBytes(`/blobs/${'x'.repeat(64)}`, Buffer.from('a'))).rejects.toEqual(
      codeOf('bad_input'),
    );
    await expect(
      hub.client.putBytes(`/blobs/${digest}`, Buffer.alloc(limits.chunkBytes + 1)),
    ).rejects.toEqual(codeOf('too_large'));
  });

  it('a version whose chunks are not all uploaded', async () => {
    const { hub, packed, next, key } = await prepared();
    const metadata = await next();
    signMetadata(metadata, [key]);
    await hub.blobs.delete(packed.manifest.files[0]!.chunks[1]!);
    await expect(postForged(hub, packed, encodeMetadata(metadata))).rejects.toEqual(codeOf('chunks_missing'));
    await notPublished(hub);
  });

  it('artifacts that do not have the digest the manifest names', async () => {
    const { hub, key } = await prepared();
    const made = packedVersion({ version: '1.0.0', bytes: 1_000 });
    for (const [digest, bytes] of made.blobs)
      if (digest !== made.manifestSha256) await hub.blobs.put(digest, bytes);
    const files = made.manifest.files.map((file) => ({ ...file, sha256: 'a'.repeat(64) }));
    const manifestBytes = Buffer.from(JSON.stringify({ ...made.manifest, files }));
    const metadata = addVersion(await currentPublisher(hub), { ...made, manifest: manifestBytes }, hub.nowMs);
    signMetadata(metadata, [key]);
    await expect(
      postForged(hub, { manifest: made.manifest, manifestBytes }, encodeMetadata(metadata)),
    ).rejects.toEqual(codeOf('artifact_mismatch'));
    await notPublished(hub);
  });

  it.each([
    ['a wrong number of chunks', { bytes: 10_000_000 }],
    ['a chunk of another length', { bytes: 999 }],
  ])('a manifest with %s', async (_what, change) => {
    const { hub, key } = await prepared();
    const made = packedVersion({ version: '1.0.0', bytes: 1_000 });
    for (const [digest, bytes] of made.blobs)
      if (digest !== made.manifestSha256) await hub.blobs.put(digest, bytes);
    const [first, ...rest] = made.manifest.files;
    const manifestBytes = Buffer.from(
      JSON.stringify({ ...made.manifest, files: [{ ...first, ...change }, ...rest] }),
    );
    const metadata = addVersion(await currentPublisher(hub), { ...made, manifest: manifestBytes }, hub.nowMs);
    signMetadata(metadata, [key]);
    await expect(
      postForged(hub, { manifest: made.manifest, manifestBytes }, encodeMetadata(metadata)),
    ).rejects.toMatchObject({ code: expect.stringMatching(/^(bad_input|artifact_mismatch)$/) });
    await notPublished(hub);
  });

  it('a version that is there already, whatever its content', async () => {
    const { hub, trust, packed, key } = await prepared();
    await publishVersion(packed, hub.tools(trust));
    await expect(publishVersion(packed, hub.tools(trust))).rejects.toEqual(codeOf('version_exists'));
    const other = await packedFolder({ version: '1.0.0', release: 5, bytes: 400 });
    await uploadChunks(other, hub.client, () => undefined);
    const current = await currentPublisher(hub);
    const path = 'models/demo/1.0.0/manifest.json';
    const replaced = makePublisher(
      { ...current.signed.targets, [path]: fileTarget(path, other.manifestBytes, { release: 5 }) },
      { version: current.signed.version + 1, nowMs: hub.nowMs },
    );
    signMetadata(replaced, [key]);
    await expect(postForged(hub, other, encodeMetadata(replaced))).rejects.toEqual(codeOf('version_exists'));
    // The same change under cover of another version is found by comparing the metadata.
    const cover = await packedFolder({ version: '2.0.0', release: 6, bytes: 500 });
    await uploadChunks(cover, hub.client, () => undefined);
    await expect(postForged(hub, cover, encodeMetadata(replaced))).rejects.toEqual(
      codeOf('metadata_invalid'),
    );
  });

  it('metadata made on a version that is no longer current', async () => {
    const { hub, trust, packed, next, key } = await prepared();
    const metadata = await next();
    signMetadata(metadata, [key]);
    await publishVersion(
      await packedFolder({ model: 'other', version: '1.0.0', bytes: 500 }),
      hub.tools(trust),
    );
    await expect(postForged(hub, packed, encodeMetadata(metadata))).rejects.toEqual(codeOf('metadata_stale'));
    expect(await hub.models.list('demo', firstVersions)).toEqual([]);
  });

  it('a release that does not grow', async () => {
    const { hub, trust } = await prepared();
    await publishVersion(await packedFolder({ version: '1.0.0', release: 5, bytes: 500 }), hub.tools(trust));
    for (const release of [4, 5]) {
      const older = await packedFolder({ version: `2.0.${release}`, release, bytes: 600 });
      await expect(publishVersion(older, hub.tools(trust))).rejects.toEqual(codeOf('release_not_growing'));
    }
    expect(await hub.models.models(firstModels)).toHaveLength(1);
  });

  it('an interface that breaks clients of the newest version, naming each change, unless that is meant', async () => {
    const { hub, trust, packed } = await prepared();
    await publishVersion(packed, hub.tools(trust));
    const renamed = await packedFolder({ version: '2.0.0', bytes: 500, inputName: 'features' });
    await expect(publishVersion(renamed, hub.tools(trust))).rejects.toMatchObject({
      code: 'interface_breaking',
      message: expect.stringMatching(/clients of 1\.0\.0: input "x" is gone; input "features" is new/),
    });
    expect(await hub.models.list('demo', firstVersions)).toHaveLength(1);
    await publishVersion(renamed, hub.tools(trust), { breaking: true });
    const rows = await hub.database.selectFrom('audit_event').selectAll().execute();
    expect(rows.at(-1)!.details).toContain('input \\"x\\" is gone');
    await publishVersion(
      await packedFolder({ version: '3.0.0', bytes: 600, inputName: 'features' }),
      hub.tools(trust),
    );
  });

  it('metadata in which a published version vanished', async () => {
    const { hub, trust, packed, next, key } = await prepared();
    const other = await packedFolder({ model: 'other', version: '1.0.0', bytes: 500 });
    await publishVersion(other, hub.tools(trust));
    const metadata = await next();
    delete metadata.signed.targets['models/other/1.0.0/manifest.json'];
    signMetadata(metadata, [key]);
    await expect(postForged(hub, packed, encodeMetadata(metadata))).rejects.toEqual(
      codeOf('metadata_invalid'),
    );
  });

  it('a target outside the paths delegated to the publisher', async () => {
    const { hub, packed, key } = await prepared();
    const path = 'director.json';
    const forged = makePublisher(
      { [path]: fileTarget(path, Buffer.from('{}'), { release: 1 }) },
      { version: 2, nowMs: hub.nowMs },
    );
    signMetadata(forged, [key]);
    await expect(postForged(hub, packed, encodeMetadata(forged))).rejects.toEqual(
      codeOf('signature_invalid'),
    );
    await notPublished(hub);
  });

  it('another model than the one the publisher is limited to', async () => {
    const { hub, packed, next, key } = await prepared({ model: 'air' });
    const metadata = await next();
    signMetadata(metadata, [key]);
    await expect(postForged(hub, packed, encodeMetadata(metadata))).rejects.toEqual(
      codeOf('signature_invalid'),
    );
    await notPublished(hub);
  });

  it('metadata that has expired', async () => {
    const { hub, packed, next, key } = await prepared();
    const metadata = await next();
    signMetadata(metadata, [key]);
    hub.nowMs += 400 * 86_400_000;
    await expect(postForged(hub, packed, encodeMetadata(metadata))).rejects.toEqual(
      codeOf('metadata_expired'),
    );
  });

  it('a release in the metadata that is not the manifest’s', async () => {
    const { hub, packed, key } = await prepared();
    const { model, version } = packed.manifest;
    const metadata = addVersion(
      await currentPublisher(hub),
      { model, version, release: 7, manifest: packed.manifestBytes },
      hub.nowMs,
    );
    signMetadata(metadata, [key]);
    await expect(postForged(hub, packed, encodeMetadata(metadata))).rejects.toEqual(
      codeOf('metadata_invalid'),
    );
  });

  it('a withdrawal the metadata does not say', async () => {
    const { hub, trust, packed, key } = await prepared();
    await publishVersion(packed, hub.tools(trust));
    const other = await packedFolder({ model: 'other', version: '1.0.0', bytes: 500 });
    await uploadChunks(other, hub.client, () => undefined);
    const metadata = addVersion(
      await currentPublisher(hub),
      { ...other.manifest, manifest: other.manifestBytes },
      hub.nowMs,
    );
    signMetadata(metadata, [key]);
    await expect(
      hub.client.post('/models/demo/versions/1.0.0/withdraw', {
        reason: 'x',
        metadata: encodeMetadata(metadata).toString('base64'),
      }),
    ).rejects.toEqual(codeOf('metadata_invalid'));
  });

  it('callers without the role', async () => {
    const { hub } = await prepared();
    const operator = hub.clientAs('operator');
    const digest = 'a'.repeat(64);
    await expect(operator.post('/models/demo/versions', {})).rejects.toEqual(codeOf('forbidden'));
    await expect(operator.putBytes(`/blobs/${digest}`, Buffer.from('a'))).rejects.toEqual(
      codeOf('forbidden'),
    );
    await expect(operator.get('/trust/keys')).rejects.toEqual(codeOf('forbidden'));
    await expect(hub.clientAs('publisher').post('/trust', {})).rejects.toEqual(codeOf('forbidden'));
  });
});
