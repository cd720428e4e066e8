/** A whole hub that has trust and one published version, to be stopped and started on a folder that the test has had hands on. */
import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { PackedVersion } from '../../cli/packing/packed-version.ts';
import { makeNewTrust, parseHubKeys } from '../../cli/trust/new-trust.ts';
import { publishVersion } from '../../cli/trust/publish-version.ts';
import type { StartOptions } from '../../hub/hub-lifecycle.ts';
import { packedFolder, trustBody } from './model-hub.ts';
import { RunningHub, type RunningHubOptions } from './running-hub.ts';
import { tempFolder } from './temp-folder.ts';

export const stock = { model: 'air', version: '1.0.0' } as const;

export class StockedHub {
  /** What a stopped hub with `stock` left behind; the test's own. */
  readonly data: string;
  readonly adminToken: string;
  readonly packed: PackedVersion;
  /** Runs `models publish` of `stock` again. */
  readonly publishAgain: (hub: RunningHub) => Promise<unknown>;

  private constructor(made: Omit<StockedHub, 'copy' | 'start'>) {
    this.data = made.data;
    this.adminToken = made.adminToken;
    this.packed = made.packed;
    this.publishAgain = made.publishAgain;
  }

  /** Makes it under a folder that the caller removes. */
  static async make(under: string): Promise<StockedHub> {
    const data = join(under, 'hub');
    await mkdir(under, { recursive: true });
    const packed = await packedFolder({ ...stock, bytes: 300_000, under });
    const hub = await RunningHub.start({ data });
    try {
      const { adminToken } = hub;
      const online = parseHubKeys(await hub.client.get('/trust/keys'));
      const made = makeNewTrust({ online, rootKeys: 1, rootThreshold: 1, nowMs: Date.now() });
      await hub.client.post('/trust', trustBody(made.files));
      const key = made.keys.get('publisher')!;
      const publishAgain = (on: RunningHub) =>
        publishVersion(packed, {
          hub: on.clientOf(adminToken),
          key,
          keyFile: join(under, 'publisher.pem'),
          now: Date.now,
        });
      await publishAgain(hub);
      return new StockedHub({ data, adminToken, packed, publishAgain });
    } finally {
      await hub.stop();
    }
  }

  /** The same folder as it was, for another test; under a folder of the test's own, or a new one. */
  async copy(under?: string): Promise<StockedHub> {
    const data = join(under ?? (await tempFolder()), 'hub');
    await cp(this.data, data, { recursive: true });
    return new StockedHub({ ...this, data });
  }

  async start(
    settings: Omit<RunningHubOptions, 'data'> & { startOptions?: StartOptions } = {},
  ): Promise<RunningHub> {
    const hub = await RunningHub.start({ data: this.data, ...settings });
    onTestFinished(() => hub.stop());
    return hub;
  }
}
