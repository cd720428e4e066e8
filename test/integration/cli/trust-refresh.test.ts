import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { publishVersion, refreshMetadata } from '../../../cli/trust/publish-version.ts';
import { encodeMetadata, parseMetadata, signMetadata } from '../../../shared/tuf/metadata-file.ts';
import { makePublisher } from '../../../shared/tuf/trust-roles.ts';
import { ModelHub, packedFolder } from '../../support/model-hub.ts';

const codeOf = (code: string) => expect.objectContaining({ code });

async function published() {
  const hub = await ModelHub.start();
  const trust = await hub.initialise();
  const tools = hub.tools(trust);
  await publishVersion(await packedFolder({ version: '1.0.0', bytes: 100 }), tools);
  const current = async () =>
    parseMetadata('targets', (await hub.repository.current('publisher'))!, 'publisher');
  return { hub, trust, tools, current };
}

describe('signing the publisher’s metadata again', () => {
  it('makes it good for another year and changes nothing', async () => {
    const { hub, tools, current } = await published();
    const before = await current();
    hub.nowMs += 100 * 86_400_000;
    expect(await refreshMetadata(tools, { restored: false })).toBe(before.signed.version + 1);
    const after = await current();
    expect(Object.keys(after.signed.targets)).toEqual(Object.keys(before.signed.targets));
    expect(Date.parse(after.signed.expires)).toBeGreaterThan(Date.parse(before.signed.expires));
    expect(await hub.client.get('/trust')).toMatchObject({ nextPublisherVersion: after.signed.version + 1 });
  });

  it('after a restore: above what the hub could have shown, and what the key was seen to sign', async () => {
    const { hub, trust, tools, current } = await published();
    await hub.repository.catchUp(hub.nowMs);
    expect(await hub.client.get('/trust')).toMatchObject({ nextPublisherVersion: hub.nowMs + 1 });
    // Another publisher, who has seen nothing, goes above too.
    const other = hub.tools(trust, join(hub.folder, 'other.pem'));
    await publishVersion(await packedFolder({ version: '2.0.0', release: 2, bytes: 100 }), other);
    expect((await current()).signed.version).toBe(hub.nowMs + 1);
    const { roles } = (await hub.client.get('/trust')) as { roles: { role: string; version: number }[] };
    for (const role of ['snapshot', 'timestamp']) {
      expect(roles.find((one) => one.role === role)!.version).toBeGreaterThan(hub.nowMs);
    }
    expect(await refreshMetadata(tools, { restored: true })).toBe(hub.nowMs + 2);
  });

  it('refuses one that changes what is published, does not grow, leaps, or has another signature', async () => {
    const { hub, trust, current } = await published();
    const { signed } = await current();
    const send = (version: number, targets = signed.targets, key = trust.keys.get('publisher')!) => {
      const metadata = makePublisher(targets, { version, nowMs: hub.nowMs });
      signMetadata(metadata, [key]);
      return hub.client.post('/trust/publisher', { metadata: encodeMetadata(metadata).toString('base64') });
    };
    await expect(send(signed.version + 1, {})).rejects.toEqual(codeOf('metadata_invalid'));
    await expect(send(signed.version)).rejects.toEqual(codeOf('metadata_stale'));
    await expect(send(Number.MAX_SAFE_INTEGER)).rejects.toEqual(codeOf('metadata_stale'));
    await expect(send(signed.version + 1, signed.targets, trust.keys.get('targets')!)).rejects.toEqual(
      codeOf('signature_invalid'),
    );
    expect((await current()).signed.version).toBe(signed.version);
  });
});
