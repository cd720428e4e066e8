/** The hub's trust and model registry behind its real REST API, on a real database and disk; a map stands in for the broker. */

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { onTestFinished } from 'vitest';
import { HttpHubClient } from '../../cli/hub-client.ts';
import { type PackedVersion, readPackedVersion } from '../../cli/packing/packed-version.ts';
import { makeNewTrust, type NewTrust, parseHubKeys } from '../../cli/trust/new-trust.ts';
import type { PublisherTools } from '../../cli/trust/publish-version.ts';
import { AuditLog } from '../../hub/audit/audit-log.ts';
import { hubOptionTable } from '../../hub/config/options-schema.ts';
import { type Database, openDatabase } from '../../hub/db/database.ts';
import { Readiness } from '../../hub/http/readiness.ts';
import { RequestRate } from '../../hub/http/request-rate.ts';
import { HttpServer } from '../../hub/http/server.ts';
import { ContentStore } from '../../hub/models/content-store.ts';
import { modelRoutes } from '../../hub/models/model-routes.ts';
import { ModelService } from '../../hub/models/model-service.ts';
import { Authority } from '../../hub/pki/authority.ts';
import { OnlineKeys } from '../../hub/signing/online-keys.ts';
import { trustRoutes } from '../../hub/signing/trust-routes.ts';
import { TufRepository } from '../../hub/signing/tuf-repository.ts';
import { BlobLedger } from '../../hub/transfer/blob-ledger.ts';
import { BlobLedgerStore } from '../../hub/transfer/blob-ledger-store.ts';
import { blobRoutes } from '../../hub/transfer/blob-routes.ts';
import { DiskBlobStore } from '../../hub/transfer/disk-blob-store.ts';
import { resolveOptions } from '../../platform/option-table.ts';
import { systemClock } from '../../platform/system-clock.ts';
import { type Role, roles } from '../../shared/api/access.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { parseMetadata } from '../../shared/tuf/metadata-file.ts';
import { packedVersion } from './packed-version.ts';
import { tempFolder } from './temp-folder.ts';

export class ModelHub {
  readonly folder: string;
  readonly retained = new Map<string, Uint8Array>();
  readonly clock: Clock;
  nowMs = Date.now();
  database!: Database;
  keys!: OnlineKeys;
  audit!: AuditLog;
  blobs!: DiskBlobStore;
  ledger!: BlobLedger;
  repository!: TufRepository;
  models!: ModelService;
  client!: HttpHubClient;
  #closers: (() => Promise<void>)[] = [];
  #port = 0;

  private constructor(folder: string) {
    this.folder = folder;
    this.clock = { ...systemClock, now: () => this.nowMs };
  }

  static async start(): Promise<ModelHub> {
    const hub = new ModelHub(await tempFolder());
    onTestFinished(() => hub.#stop());
    await hub.#start();
    return hub;
  }

  async restart(): Promise<void> {
    await this.#stop();
    this.retained.clear();
    await this.#start();
    await this.repository.republish();
  }

  clientAs(role: Role): HttpHubClient {
    const client = new HttpHubClient({ url: `https://127.0.0.1:${this.#port}`, token: role, ca: this.#ca });
    this.#closers.unshift(() => client.close());
    return client;
  }

  /** Makes a trust root and gives it to the hub, as `trust init` does. */
  async initialise(
    options: { rootKeys?: number; rootThreshold?: number; model?: string } = {},
  ): Promise<NewTrust> {
    const online = parseHubKeys(await this.client.get('/trust/keys'));
    const made = makeNewTrust({ online, rootKeys: 1, rootThreshold: 1, nowMs: this.nowMs, ...options });
    await this.client.post('/trust', trustBody(made.files));
    return made;
  }

  tools(trust: NewTrust, keyFile = join(this.folder, 'publisher.pem')): PublisherTools {
    return { hub: this.client, key: trust.keys.get('publisher')!, keyFile, now: () => this.nowMs };
  }

  #ca = '';

  async #start(): Promise<void> {
    const logger = pino({ level: 'silent' });
    this.database = await openDatabase(join(this.folder, 'hub.db'));
    this.keys = await OnlineKeys.open(join(this.folder, 'keys'));
    this.audit = new AuditLog({ database: this.database, clock: this.clock });
    this.blobs = new DiskBlobStore(join(this.folder, 'blobs'));
    const broker = {
      retain: async (topic: string, payload: Uint8Array) => void this.retained.set(topic, payload),
    };
    const { database, audit, keys, clock, blobs } = this;
    const content = new ContentStore(database);
    const ledger = new BlobLedger({
      store: new BlobLedgerStore(database),
      blobs,
      clock,
      namedBy: (digests, tx) => content.namedBy(digests, tx),
      quotas: resolveOptions(hubOptionTable, []),
    });
    this.ledger = ledger;
    this.repository = new TufRepository({ database, broker, audit, keys, clock, logger });
    this.models = new ModelService({ database, blobs, ledger, trust: this.repository, audit, clock });
    const authority = await Authority.open(join(this.folder, 'pki'), {
      clock: systemClock,
      advertise: ['127.0.0.1'],
    });
    this.#ca = authority.caPem;
    const http = new HttpServer({
      tls: { key: authority.serverKeyPem, cert: authority.serverCertPem },
      tokens: {
        // The token is the name of its role.
        authenticate: async (secret) => {
          const role = roles.find((name) => name === secret);
          return role && { name: role, role };
        },
      },
      requestRate: new RequestRate({ perMinuteMax: 30_000, monotonic: () => performance.now() }),
      routes: [
        trustRoutes({ repository: this.repository, keys }),
        modelRoutes(this.models),
        blobRoutes(ledger),
      ],
      readiness: new Readiness(),
      metrics: new Registry(),
      logger,
      version: '0.0.0',
    });
    await http.start({ host: '127.0.0.1', port: 0 });
    this.#port = http.port;
    this.#closers = [() => http.close(), () => this.database.destroy()];
    this.client = this.clientAs('admin');
  }

  async #stop(): Promise<void> {
    for (const close of this.#closers.splice(0)) await close();
  }
}

export function trustBody(files: NewTrust['files']): Record<string, string> {
  return Object.fromEntries(Object.entries(files).map(([topic, bytes]) => [topic, bytes.toString('base64')]));
}

/** A packed folder on disk with random bytes for a model. */
export async function packedFolder(options: {
  readonly model?: string;
  readonly version: string;
  readonly release?: number;
  readonly bytes?: number;
  readonly inputName?: string;
  /** Where to make it; the caller removes it. */
  readonly under?: string;
}): Promise<PackedVersion> {
  const folder = join(options.under ?? (await tempFolder()), 'packed');
  await mkdir(folder);
  const made = packedVersion(options);
  for (const file of made.manifest.files) {
    const bytes = Buffer.concat(file.chunks.map((digest) => made.blobs.get(digest)!));
    await writeFile(join(folder, file.path), bytes);
  }
  await writeFile(join(folder, 'manifest.json'), made.manifestBytes);
  return readPackedVersion(folder);
}

/** The publisher metadata the hub holds now. */
export async function currentPublisher(hub: ModelHub) {
  return parseMetadata('targets', (await hub.repository.current('publisher'))!, 'publisher');
}
