/**
 * The rollout engine as it runs in a hub (real planner, runner, director, signatures and SQLite) with a clock the test
 * moves and devices the test moves. `rebuild` throws the engine away and makes it anew from the database, as a hub does
 * that was killed.
 */

import { createHash, generateKeyPairSync } from 'node:crypto';
import { pino } from 'pino';
import { AuditLog } from '../../hub/audit/audit-log.ts';
import { type Database, openDatabase } from '../../hub/db/database.ts';
import { DriftService } from '../../hub/drift/drift-service.ts';
import { judgeHour } from '../../hub/drift/hour-verdict.ts';
import { DeviceInbox } from '../../hub/inbox/device-inbox.ts';
import type { PublishedVersion } from '../../hub/models/published-version.ts';
import { AssignmentStore } from '../../hub/rollout/assignment-store.ts';
import { DesiredStore } from '../../hub/rollout/desired-store.ts';
import { DeviceAssignments } from '../../hub/rollout/device-assignments.ts';
import type { DownloadObservation } from '../../hub/rollout/device-progress.ts';
import { Director } from '../../hub/rollout/director.ts';
import { ProcessLeases } from '../../hub/rollout/process-leases.ts';
import { RolloutChanges } from '../../hub/rollout/rollout-changes.ts';
import { RolloutDeviceStore } from '../../hub/rollout/rollout-device-store.ts';
import type { RolloutDrift } from '../../hub/rollout/rollout-evidence.ts';
import { phaseSizesNow } from '../../hub/rollout/rollout-plan.ts';
import { RolloutRunner } from '../../hub/rollout/rollout-runner.ts';
import { RolloutService } from '../../hub/rollout/rollout-service.ts';
import { RolloutStore } from '../../hub/rollout/rollout-store.ts';
import { UnassignService } from '../../hub/rollout/unassign-service.ts';
import { EvidenceStore } from '../../hub/telemetry/evidence-store.ts';
import { TelemetryService } from '../../hub/telemetry/telemetry-service.ts';
import type { RolloutRequest } from '../../shared/api/rollout-plan.ts';
import type { Rollout } from '../../shared/api/rollouts.ts';
import { AppError } from '../../shared/base/app-error.ts';
import type { ModelManifest } from '../../shared/manifest/model-manifest.ts';
import type { ReportedState } from '../../shared/protocol/reported-state.ts';
import { parseTopic } from '../../shared/protocol/topics.ts';
import { deviceRow } from './device-row.ts';
import { ManualClock } from './manual-clock.ts';
import { presentAll } from './profiles.ts';
import {
  type DeviceUplink,
  digestOf,
  facts,
  type Manner,
  RolloutDeviceModel,
  releaseOf,
} from './rollout-device.ts';

export const model = 'air-quality';
export const operator = { name: 'olga', role: 'operator', address: '127.0.0.1' } as const;
const logger = pino({ level: 'silent' });

export interface RolloutWorldOptions {
  readonly devices: number;
  readonly manner?: (n: number) => Manner;
  /** Version every device runs and is to run; default 1.0.0, null for none. */
  readonly running?: string | null;
  readonly file?: string;
  /** Gates look at what `telemetry` was sent, and not at `requests` and `driftFeatures`. */
  readonly hasTelemetry?: boolean;
}

export class RolloutWorld {
  readonly clock = new ManualClock();
  readonly database: Database;
  readonly keys: ReadonlyMap<string, string>;
  readonly devices = new Map<string, RolloutDeviceModel>();
  /** Retained statements by device, as the broker holds them. */
  readonly retained = new Map<string, Uint8Array>();
  /** What each device last reported of itself, as the hub has stored it. */
  readonly reported = new Map<string, ReportedState>();
  /** Devices that have not reported what they run since a restore. */
  readonly unreported = new Set<string>();
  readonly withdrawn = new Map<string, string>();
  /** Versions without a reference profile of their inputs. */
  readonly profileless = new Set<string>();
  readonly known = new Set(['1.0.0', '2.0.0', '3.0.0', '4.0.0', '5.0.0', '6.0.0']);
  /** Parts of a manifest by version, where they are not like those of the others. */
  readonly manifests = new Map<string, Partial<ModelManifest>>();
  readonly connected = new Set<string>();
  /** What the hub knows of a device's download. */
  download: (deviceId: string) => DownloadObservation | undefined = () => undefined;
  /** What each device has answered. */
  requests = { ok: 0, failed: {} as Record<string, number>, refused: { fitBefore: 0 } };
  /** Undefined: there is nothing to compare with. */
  driftFeatures: Omit<Awaited<ReturnType<RolloutDrift['judge']>>[number], 'devices'>[] | undefined = [];
  /** Makes the broker refuse. */
  isBrokerDown = false;
  /** Called before each commit of the engine, and before each publish; throw to kill the hub there. */
  onCommit: () => void = () => undefined;
  onPublish: () => void = () => undefined;
  readonly uplink: DeviceUplink;
  store!: RolloutStore;
  rows!: RolloutDeviceStore;
  director!: Director;
  runner!: RolloutRunner;
  service!: RolloutService;
  telemetry!: TelemetryService;
  unassigning!: UnassignService;
  readonly #signer: { keyid: string; privateKey: import('node:crypto').KeyObject };
  readonly #hasTelemetry: boolean;
  #inbox!: DeviceInbox;
  #ids = 0;

  private constructor(database: Database, hasTelemetry: boolean) {
    this.database = database;
    this.#hasTelemetry = hasTelemetry;
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const pem = publicKey.export({ type: 'spki', format: 'pem' }) as string;
    const keyid = createHash('sha256').update(pem).digest('hex');
    this.#signer = { keyid, privateKey };
    this.keys = new Map([[keyid, pem]]);
    this.uplink = {
      event: (id, event) => this.store.transaction((tx) => this.runner.handleEvent(id, event, tx)),
      reported: async (id, reported) => {
        this.reported.set(id, reported);
        await this.store.transaction(async (tx) => {
          await this.runner.handleReport(id, reported, tx);
          await this.unassigning.handleReport(id, reported, tx);
        });
      },
    };
  }

  static async open(options: RolloutWorldOptions): Promise<RolloutWorld> {
    const world = new RolloutWorld(
      await openDatabase(options.file ?? ':memory:'),
      options.hasTelemetry ?? false,
    );
    world.rebuild();
    const running = options.running === undefined ? '1.0.0' : options.running;
    const manner = options.manner ?? (() => 'good');
    for (let n = 0; n < options.devices; n += 1) {
      const id = `device-${String(n).padStart(3, '0')}`;
      await world.#enrol(id);
      const active = running === null ? {} : { active: running };
      world.devices.set(
        id,
        new RolloutDeviceModel(id, { model, keys: world.keys, manner: manner(n), ...active }),
      );
    }
    if (running !== null) {
      await world.director.assign(
        [...world.devices.keys()].map((deviceId) => ({
          deviceId,
          model,
          version: running,
          release: 1,
          manifestSha256: digestOf(running),
          trial: { seconds: 0, minRequests: 0, maxErrorRate: 1, maxCrashes: 0 },
        })),
      );
    }
    for (const device of world.devices.values()) {
      await world.deliver(device.id);
      await device.report(world.uplink);
    }
    return world;
  }

  /** The engine anew, from the database alone. */
  rebuild(): void {
    const { clock, database } = this;
    const audit = new AuditLog({ database, clock });
    const broker = {
      retain: async (topic: string, payload: Uint8Array) => {
        if (this.isBrokerDown) throw new Error('broker is down');
        const parsed = parseTopic(topic);
        if (parsed?.kind !== 'device' || parsed.leaf !== 'desired')
          throw new Error(`unexpected topic ${topic}`);
        this.retained.set(parsed.deviceId, payload);
      },
    };
    const versions = { find: async (name: string, version: string) => this.#published(name, version) };
    const connections = { isConnected: (id: string) => this.connected.has(id) };
    const downloads = { download: (id: string) => this.download(id) };
    const fleet = {
      idsInGroup: async (group?: string) => (group === 'none' ? [] : [...this.devices.keys()]),
      report: async (id: string) => this.#report(id),
      reports: async ({ after = '', limit }: { after?: string; limit: number }) =>
        [...this.devices.keys()]
          .sort()
          .filter((id) => id > after)
          .slice(0, limit)
          .map((id) => this.#report(id)),
    };
    this.store = new RolloutStore(database);
    this.rows = new RolloutDeviceStore(database);
    const desired = new DesiredStore(database);
    this.director = new Director({
      store: desired,
      signer: this.#signer,
      broker,
      clock,
      logger,
    });
    this.#inbox = new DeviceInbox({ database, logger });
    this.telemetry = new TelemetryService({
      inbox: this.#inbox,
      database,
      judge: judgeHour,
      evidence: new EvidenceStore(database),
      versions,
      assignments: new DeviceAssignments({
        store: new AssignmentStore(database),
        director: this.director,
        fleet,
      }),
      fleet: presentAll,
      clock,
      logger,
      bucketMs: 60_000,
    });
    const changes = new RolloutChanges({
      store: this.store,
      devices: this.rows,
      director: this.director,
      versions,
      fleet,
      audit,
      logger,
    });
    const watched = {
      commit: async (...args: Parameters<RolloutChanges['commit']>) => {
        this.onCommit();
        return changes.commit(...args);
      },
    } as RolloutChanges;
    const publishing = {
      publish: async (ids: readonly string[]) => {
        if (ids.length > 0) this.onPublish();
        await this.director.publish(ids);
      },
    };
    this.runner = new RolloutRunner({
      store: this.store,
      devices: this.rows,
      changes: watched,
      director: publishing,
      evidence: {
        versions,
        connections,
        downloads,
        telemetry: this.#hasTelemetry ? this.telemetry : { evidence: (rollout) => this.#evidence(rollout) },
        drift: this.#hasTelemetry
          ? new DriftService({ clock, versions, telemetry: this.telemetry, active: () => [] })
          : { judge: async (_, { devices }) => this.#driftFeatures(devices) },
      },
      leases: new ProcessLeases(),
      clock,
      logger,
    });
    this.unassigning = new UnassignService({
      rollouts: this.rows,
      store: desired,
      director: this.director,
      fleet,
      audit,
    });
    this.service = new RolloutService({
      store: this.store,
      devices: this.rows,
      runner: this.runner,
      versions,
      fleet,
      director: this.director,
      connections,
      downloads,
      audit,
      clock,
      random: () => ((this.#ids++ * 7) % 16) / 16,
    });
  }

  create(request: Partial<RolloutRequest> = {}): Promise<Rollout> {
    return this.service.create(
      {
        model,
        version: '2.0.0',
        phases: [{ devices: 1 }, { percent: 50 }, { percent: 100 }],
        soakMs: 1_000,
        ...request,
      },
      operator,
    );
  }

  /** Removes the device from the hub, as the hub does it. */
  async remove(id: string): Promise<void> {
    await this.store.transaction(async (tx) => {
      await this.director.forget(id, tx);
      await this.runner.removeDevice(id, this.clock.now(), tx);
    });
    this.devices.delete(id);
    this.reported.delete(id);
    this.connected.delete(id);
    await this.director.publish([id]);
    await this.runner.deviceRemoved(id);
  }

  /** Hands the device its retained statement. */
  async deliver(deviceId: string): Promise<void> {
    const envelope = this.retained.get(deviceId);
    if (envelope?.length) await this.devices.get(deviceId)!.receive(envelope, this.uplink);
  }

  /** Every device takes its statement and works until none has anything to do. */
  async settle(): Promise<void> {
    for (const device of this.devices.values()) {
      await this.deliver(device.id);
      while (await device.work(this.uplink));
    }
    this.clock.advance(50);
    await this.runner.tick();
  }

  /** Runs devices and engine, moving time, until the rollout has one of `statuses`. */
  async runUntil(
    id: string,
    statuses: readonly string[],
    { stepMs = 1_000, stepsMax = 400 } = {},
  ): Promise<Rollout> {
    for (let step = 0; step < stepsMax; step += 1) {
      const detail = await this.service.show(id);
      if (statuses.includes(detail.status)) return detail;
      await this.settle();
      this.clock.advance(stepMs);
      await this.runner.tick();
    }
    const { status, counts, verdicts } = await this.service.show(id);
    throw new Error(`rollout stayed ${status}: ${JSON.stringify({ counts, last: verdicts[0] })}`);
  }

  /** Ids of devices that answer requests with `version`. */
  carrying(version: string): string[] {
    return [...this.devices.values()].filter((d) => d.active === version).map((d) => d.id);
  }

  /** How many devices the current phase allows. */
  async cap(id: string): Promise<number> {
    const record = await this.store.find(id);
    return phaseSizesNow(record!.plan, this.devices.size)[record!.progress.phase]!;
  }

  async close(): Promise<void> {
    await this.runner.close();
    await this.#inbox.close();
    await this.director.close();
    await this.database.destroy();
  }

  async #evidence(rolloutId: string) {
    const devices = await this.rows.list(rolloutId);
    return new Map(
      devices.map(({ deviceId, offeredAt }) => [
        deviceId,
        { offeredAt: offeredAt ?? 0, figures: { requests: this.requests, features: [] } },
      ]),
    );
  }

  #driftFeatures(devices: number) {
    if (!this.driftFeatures) throw new AppError('drift_no_profile', 'Cannot assess drift.');
    return this.driftFeatures.map((feature) => ({ ...feature, devices }));
  }

  #published(name: string, version: string): PublishedVersion | undefined {
    if (name !== model || !this.known.has(version)) return undefined;
    const reason = this.withdrawn.get(version);
    return {
      model: name,
      version,
      release: releaseOf(version),
      manifestSha256: digestOf(version),
      manifest: {
        profile: { features: [{ role: this.profileless.has(version) ? 'output' : 'input' }] },
        files: [{ path: 'model.onnx', bytes: 1_000 }],
        variants: [{ file: 'model.onnx', providers: ['cpu'] }],
        interface: { inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }], outputs: [] },
        ...this.manifests.get(version),
      } as unknown as ModelManifest,
      publishedAt: 0,
      publishedBy: 'test',
      ...(reason === undefined ? {} : { withdrawn: { at: 0, reason } }),
    };
  }

  #report(id: string) {
    const reported = this.reported.get(id);
    const known = reported ? { reported, facts: reported.facts } : { facts };
    return { id, isReportLost: this.unreported.has(id), ...known };
  }

  #enrol(id: string): Promise<unknown> {
    return this.database.insertInto('device').values(deviceRow(id)).execute();
  }
}
