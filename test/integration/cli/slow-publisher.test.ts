import { expect, it } from 'vitest';
import { publishVersion } from '../../../cli/trust/publish-version.ts';
import { ModelHub, packedFolder } from '../../support/model-hub.ts';

const DAY_MS = 86_400_000;

it('a publisher so slow that chunks left before the version named them uploads those once more', async () => {
  const hub = await ModelHub.start();
  const tools = hub.tools(await hub.initialise());
  const packed = await packedFolder({ version: '1.0.0', bytes: 300_000 });
  let left = 0;
  const slow = {
    ...tools,
    hub: {
      ...tools.hub,
      get: tools.hub.get.bind(tools.hub),
      putBytes: tools.hub.putBytes.bind(tools.hub),
      post: async (path: string, body: unknown) => {
        if (path.endsWith('/versions') && left === 0) {
          hub.nowMs += DAY_MS;
          left = (await hub.ledger.removeDue(hub.nowMs - DAY_MS)).count;
        }
        return tools.hub.post(path, body);
      },
    } as typeof tools.hub,
  };
  const published = await publishVersion(packed, slow);
  expect(left).toBeGreaterThan(0);
  const bytes = packed.manifest.files.reduce((sum, file) => sum + file.bytes, 0);
  expect(published).toMatchObject({ version: '1.0.0', uploadedBytes: 2 * bytes });
  for (const digest of packed.manifest.files.flatMap((file) => file.chunks))
    expect(await hub.blobs.has(digest)).toBe(true);
});
