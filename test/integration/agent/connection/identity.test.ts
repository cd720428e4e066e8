import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { loadIdentity } from '../../../../agent/connection/identity.ts';
import { ConnectionHub } from '../../../support/connection-hub.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

describe('an identity', () => {
  let hub: ConnectionHub;
  let folder: string;
  beforeAll(async () => {
    hub = await ConnectionHub.start();
  });
  afterAll(() => hub.stop());
  beforeEach(async () => {
    folder = await tempFolder();
  });

  it('refuses an identity whose key, certificate or device file was changed', async () => {
    await hub.enrol('damaged', folder);
    const key = await readFile(join(folder, 'identity/key.pem'));
    const other = await hub.enrol('other-key', join(folder, 'other'));
    await writeFile(join(folder, 'identity/key.pem'), other.keyPem);
    await expect(loadIdentity(folder)).rejects.toMatchObject({ code: 'identity_damaged' });
    await writeFile(join(folder, 'identity/key.pem'), key);
    await writeFile(join(folder, 'identity/device.json'), '{"v":1}');
    await expect(loadIdentity(folder)).rejects.toMatchObject({ code: 'identity_damaged' });
    await rm(join(folder, 'identity/device.json'));
    await expect(loadIdentity(folder)).rejects.toMatchObject({ code: 'not_enrolled' });
  });
});
