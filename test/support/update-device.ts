/**
 * A device's update half over a folder: real slots, journal, chunk store, fetcher, planner and runner. What lies beyond
 * its borders is played by small stand-ins that keep their memory in files, so that a second process continues
 * where a killed one stopped: a hub that answers chunk requests from a folder of blobs, trust that knows the versions
 * in it, serving that only remembers what it was told.
 */

import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { ChunkFetcher } from '../../agent/download/chunk-fetcher.ts';
import { ChunkStore } from '../../agent/download/chunk-store.ts';
import { MqttChunkTransport } from '../../agent/download/mqtt-chunk-transport.ts';
import { VersionDownload } from '../../agent/download/version-download.ts';
import { Conditions } from '../../agent/health/conditions.ts';
import type {
  DamageListener,
  Qualification,
  SampleListener,
  ServedFigures,
  ServedModels,
} from '../../agent/serving/served-model.ts';
import type { Slot } from '../../agent/slots/slot.ts';
import { SlotChunks } from '../../agent/slots/slot-chunks.ts';
import { SlotStore } from '../../agent/slots/slot-store.ts';
import type { AnsweredOffer } from '../../agent/telemetry/observation.ts';
import { ModelUpdates } from '../../agent/update/model-updates.ts';
import { Mutex } from '../../agent/update/mutex.ts';
import { ServingRestorer } from '../../agent/update/serving-restorer.ts';
import { makeStepExecutors } from '../../agent/update/step-executors.ts';
import { UpdateJournal } from '../../agent/update/update-journal.ts';
import { DiskReserve } from '../../platform/disk-reserve.ts';
import { systemClock } from '../../platform/system-clock.ts';
import { AppError } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { parseManifest } from '../../shared/manifest/model-manifest.ts';
import {
  type ChunkError,
  type ChunkRequest,
  parseChunkRequest,
} from '../../shared/protocol/chunk-transfer.ts';
import type { DesiredModel, DesiredState } from '../../shared/protocol/desired-state.ts';
import type { UpdateEvent, UpdateFault, UpdateState } from '../../shared/protocol/update-event.ts';
import type { PackedVersion } from './packed-version.ts';

/** Serving that remembers. `figures` and the faults are set by the test. */
export class RecordingServed implements ServedModels {
  readonly log: string;
  /** Of each model the version that answers. */
  readonly manifests = new Map<string, string>();
  active: { readonly version: string; readonly standby: string | undefined } | undefined;
  /** The rollout that the version which answers is here for. */
  answersFor: AnsweredOffer | undefined;
  figuresNow: ServedFigures = { requests: 0, failed: 0, refused: 0, crashes: 0 };
  qualifyFault: UpdateFault | undefined;
  serveFault: Error | undefined;
  onDamaged: DamageListener = () => undefined;
  /** Called before a golden sample counts as done, with its number from 1. */
  whenSampled: (sample: number) => void = () => undefined;

  constructor(log: string) {
    this.log = log;
  }

  async qualify(_slot?: Slot, onSample?: SampleListener): Promise<Qualification> {
    if (this.qualifyFault) return { ok: false, fault: this.qualifyFault };
    for (let sample = 1; sample <= 3; sample += 1) {
      this.whenSampled(sample);
      await onSample?.(sample);
    }
    return {
      ok: true,
      provider: 'cpu',
      samples: 3,
      latencyP50Ms: 1,
      latencyMaxMs: 2,
      residentBytes: 1000,
      peakBytes: 1000,
      passedOver: [],
    };
  }

  async serve(
    slot: Slot,
    _provider: string,
    { keepStandby }: { readonly keepStandby: boolean },
  ): Promise<void> {
    if (this.serveFault && slot.version !== '1.0.0') throw this.serveFault;
    const before = this.active?.version;
    this.manifests.set(slot.model, slot.manifestSha256);
    this.active = {
      version: slot.version,
      standby: keepStandby && before !== slot.version ? before : undefined,
    };
    this.figuresNow = { requests: 0, failed: 0, refused: 0, crashes: 0 };
    appendFileSync(
      this.log,
      `serve ${slot.version}${this.active.standby ? ` standby ${this.active.standby}` : ''}\n`,
    );
  }

  answerFor(model: string, manifest: string, offer: AnsweredOffer | undefined): void {
    if (this.manifests.get(model) === manifest) this.answersFor = offer;
  }

  async retire(model: string): Promise<void> {
    this.active = undefined;
    this.manifests.delete(model);
    appendFileSync(this.log, 'retire\n');
  }

  async dropStandby(): Promise<void> {
    if (this.active) this.active = { version: this.active.version, standby: undefined };
  }

  serving(model: string): string | undefined {
    return this.manifests.get(model);
  }

  figures(): ServedFigures | undefined {
    return this.active && this.figuresNow;
  }

  whenDamaged(listener: DamageListener): void {
    this.onDamaged = listener;
  }

  async close(): Promise<void> {}
}

export interface UpdateDeviceOptions {
  /** Folder of the device; made when absent. */
  readonly folder: string;
  /** Folder of blobs the hub has. */
  readonly blobs: string;
  readonly onTransition?: (model: string, state: UpdateState) => void;
  /** Answers in place of the hub; returns false to let the hub answer. */
  readonly answer?: (request: ChunkRequest, reply: HubReply) => boolean;
  readonly freeBytes?: () => Promise<number>;
  readonly clock?: Clock;
  /** Names the boot of the machine. */
  readonly boot?: string;
  /** Versions but 1.0.0 cannot be served, from the start on. */
  readonly serveFault?: Error;
  readonly withdrawn?: ReadonlySet<string>;
  /** What TUF says of a version, when it is not what the hub's folder says. */
  readonly signed?: ReadonlyMap<string, string>;
}

export interface HubReply {
  chunk(digest: string, bytes: Uint8Array): void;
  error(error: Omit<ChunkError, 'v' | 'request'>): void;
}

export async function openUpdateDevice(options: UpdateDeviceOptions) {
  const { folder, blobs, withdrawn = new Set(), signed = new Map() } = options;
  await mkdir(join(folder, 'state'), { recursive: true });
  const logger = pino({ level: process.env['TEST_LOG'] ?? 'silent' }, pino.destination(2));
  const clock = options.clock ?? systemClock;
  let evaluations = 0;
  const random = Math.random;
  const freeBytes = options.freeBytes ?? (async () => 2 ** 40);
  const eventLog = join(folder, 'events.log');
  const requestLog = join(folder, 'requests.log');
  const served = new RecordingServed(join(folder, 'served.log'));
  served.serveFault = options.serveFault;
  const link = {
    isConnected: true,
    bytesReceived: 0,
    publish: async (_leaf: string, payload: Uint8Array) => reply(parseChunkRequest(payload)),
  };
  const chunks = new ChunkStore(join(folder, 'chunks'));
  await chunks.load();
  const fetcher = new ChunkFetcher({
    transport: new MqttChunkTransport(link),
    store: chunks,
    clock,
    random,
    logger,
    answerMs: 300,
  });
  const reserve = new DiskReserve(join(folder, 'state/reserve'), 256 * 1024);
  await reserve.make();
  const { withFreeSpace } = reserve;
  const slots = new SlotStore({
    folder: join(folder, 'slots'),
    indexFile: join(folder, 'state/slots.json'),
    keepPrevious: 2,
    withFreeSpace,
    logger,
  });
  await slots.load();
  const download = new VersionDownload({
    chunks,
    fetcher,
    slots,
    slotChunks: new SlotChunks(slots),
    freeBytes,
  });
  const conditions = new Conditions(() => undefined);
  const restorer = new ServingRestorer({ slots, served, conditions, logger });
  const held = join(folder, 'hold');
  const updates = new ModelUpdates({
    journal: new UpdateJournal({ folder: join(folder, 'state/updates'), withFreeSpace, logger }),
    slots,
    served,
    restorer,
    executors: makeStepExecutors({
      trust: { lookUp: async (model, version) => lookUp(model, version) },
      download,
      slots,
      served,
      restorer,
      heavyWork: new Mutex(),
      isConnected: () => link.isConnected,
      clock,
    }),
    chunksHeld: (digest) => download.chunksHeld(digest),
    freeBytes,
    boot: options.boot ?? 'boot-1',
    announce: async (event) => appendFileSync(eventLog, `${JSON.stringify(event)}\n`),
    isConnected: () => link.isConnected,
    isHeld: () => {
      evaluations += 1;
      return existsSync(held);
    },
    onChange: () => undefined,
    onTransition: options.onTransition,
    progress: (digest) => download.progress(digest),
    clock,
    random,
    logger,
  });
  served.whenDamaged(updates.replaceDamaged);
  await updates.load();
  await updates.restore();
  const stop = new AbortController();
  const running = updates.run(stop.signal);

  function lookUp(model: string, version: string) {
    const found = versionsIn(blobs).find((one) => one.model === model && one.version === version);
    if (!found) throw new AppError('version_unknown', `Cannot install ${model} ${version}.`);
    return {
      model,
      version,
      manifestSha256: signed.get(version) ?? found.digest,
      manifestBytes: 0,
      ...(withdrawn.has(version) && { withdrawnReason: 'it was bad' }),
    };
  }

  function reply(request: ChunkRequest): void {
    appendFileSync(requestLog, `${JSON.stringify(request.chunks)}\n`);
    const hub: HubReply = {
      chunk: (digest, bytes) => setImmediate(() => fetcher.receive(digest, bytes)),
      error: (error) =>
        setImmediate(() =>
          fetcher.receiveError(Buffer.from(JSON.stringify({ v: 1, request: request.request, ...error }))),
        ),
    };
    if (options.answer?.(request, hub)) return;
    for (const digest of request.chunks) {
      const path = join(blobs, digest);
      if (existsSync(path)) hub.chunk(digest, readFileSync(path));
      else hub.error({ code: 'missing' });
    }
  }

  return {
    slots,
    chunks,
    download,
    served,
    updates,
    conditions,
    link,
    holdFile: held,
    /** Lets the hub want these models, in desired state `sequence`. */
    setDesired(
      sequence: number,
      models: readonly DesiredModel[],
      released: DesiredState['released'] = [],
      unassigned: DesiredState['unassigned'] = [],
    ): void {
      updates.follow({
        v: 1,
        device: 'd',
        sequence,
        issued: '2026-11-01T00:00:00Z',
        expires: '2036-11-01T00:00:00Z',
        models: [...models],
        released: [...released],
        unassigned: [...unassigned],
      });
    },
    /** Events announced over all lives of the device, each id once, as the hub would keep them. */
    events: () => readEvents(eventLog),
    states: () => readEvents(eventLog).map((event) => event.state),
    /** How often the machine has looked at its situation. */
    evaluations: () => evaluations,
    /** Digests asked for over all lives of the device. */
    requested: (): string[] =>
      existsSync(requestLog) ? lines(requestLog).flatMap((line) => JSON.parse(line) as string[]) : [],
    async close(): Promise<void> {
      stop.abort();
      await running;
    },
  };
}

export type UpdateDevice = Awaited<ReturnType<typeof openUpdateDevice>>;

export function readEvents(path: string): UpdateEvent[] {
  if (!existsSync(path)) return [];
  const byId = new Map<string, UpdateEvent>();
  for (const line of lines(path)) {
    const event = JSON.parse(line) as UpdateEvent;
    if (!byId.has(event.id)) byId.set(event.id, event);
  }
  return [...byId.values()];
}

/** A version as the hub wants it. The default trial ends at once. */
export function desiredFor(version: PackedVersion, more: Partial<DesiredModel> = {}): DesiredModel {
  return {
    model: version.model,
    version: version.version,
    release: version.release,
    manifest: version.manifestSha256,
    trial: { seconds: 0, minRequests: 0, maxErrorRate: 0.1, maxCrashes: 0 },
    ...more,
  };
}

function lines(path: string): string[] {
  return readFileSync(path, 'utf8').split('\n').filter(Boolean);
}

function versionsIn(blobs: string): { model: string; version: string; digest: string }[] {
  const index = JSON.parse(readFileSync(join(blobs, 'versions.json'), 'utf8')) as string[];
  return index.map((digest) => {
    const { model, version } = parseManifest(readFileSync(join(blobs, digest)));
    return { model, version, digest };
  });
}
