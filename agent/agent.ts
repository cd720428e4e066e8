/**
 * The agent's composition root: the one place that constructs its parts and says who knows whom. What the device has is
 * served before anybody asks the hub (promise P2); stopping goes the other way round, and a start that fails undoes
 * what it had started.
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readBootId } from '../platform/boot-id.ts';
import { hubTime } from '../platform/clock-fault.ts';
import { DiskReserve } from '../platform/disk-reserve.ts';
import { lockFolder } from '../platform/folder-lock.ts';
import { freeBytes } from '../platform/free-bytes.ts';
import { compareOptions, type Reloaded } from '../platform/reload.ts';
import { makeStateFolder } from '../platform/state-folder.ts';
import { systemCas } from '../platform/system-trust.ts';
import { errorText } from '../shared/base/app-error.ts';
import { limits } from '../shared/base/limits.ts';
import type { ReportedState } from '../shared/protocol/reported-state.ts';
import { encodeUpdateEvent } from '../shared/protocol/update-event.ts';
import type { AgentEnvironment } from './agent-environment.ts';
import type { AgentAddresses, AgentStatus } from './agent-status.ts';
import { dataFolder } from './config/data-folder.ts';
import { type AgentOptions, reloadableOptions } from './config/options-schema.ts';
import { addConnectionMetrics } from './connection/connection-metrics.ts';
import { loadIdentityOrDamage } from './connection/damaged-identity.ts';
import { readDeviceFacts } from './connection/device-facts.ts';
import type { HubLinkHandlers } from './connection/hub-link.ts';
import { LinkWatch } from './connection/link-watch.ts';
import { MqttSession, reconnectWaitsDefault } from './connection/mqtt-session.ts';
import { Outbox } from './connection/outbox.ts';
import { openControlServer } from './control/control-server.ts';
import { modelOrders } from './control/model-orders.ts';
import { ChunkFetcher } from './download/chunk-fetcher.ts';
import { ChunkStore } from './download/chunk-store.ts';
import { MqttChunkTransport } from './download/mqtt-chunk-transport.ts';
import { VersionDownload } from './download/version-download.ts';
import { Conditions } from './health/conditions.ts';
import { addHealthMetrics } from './health/health-metrics.ts';
import { HealthWatch } from './health/health-watch.ts';
import { StateReporter } from './health/state-reporter.ts';
import { openLocalApi } from './local-api/local-api.ts';
import { providersOffered } from './providers-offered.ts';
import { makeServing, type Serving } from './serving-parts.ts';
import { SlotChunks } from './slots/slot-chunks.ts';
import { SlotStore } from './slots/slot-store.ts';
import { PredictionStore } from './telemetry/prediction-store.ts';
import { ClockFloor } from './trust/clock-floor.ts';
import { VerifiedFiles } from './trust/verified-files.ts';
import { VerifiedVersions } from './trust/verified-versions.ts';
import { DesiredInbox } from './update/desired-inbox.ts';
import { ModelUpdates } from './update/model-updates.ts';
import { Mutex } from './update/mutex.ts';
import { ServingRestorer } from './update/serving-restorer.ts';
import { makeStepExecutors } from './update/step-executors.ts';
import { UpdateJournal } from './update/update-journal.ts';
import { UpdateMetrics } from './update/update-metrics.ts';

export interface Agent {
  /** Throws `not_enrolled`, `data_folder_locked`, `port_in_use`; then nothing is left running. */
  start(): Promise<AgentAddresses>;
  /** Takes other options while it runs. */
  reload(options: AgentOptions): Reloaded;
  /** Ends what is under way, then closes everything. Safe to call twice. */
  stop(): Promise<void>;
}

type Closers = (() => Promise<void> | void)[];

/** Constructs nothing that runs: all of it happens in `start`. */
export function createAgent(given: AgentOptions, environment: AgentEnvironment): Agent {
  // A reload changes some of them in place; whoever needs the newest value reads it from here each time.
  const options = { ...given };
  const closers: Closers = [];
  const stop = async () => {
    for (let close = closers.pop(); close; close = closers.pop()) await close();
  };
  return {
    async start() {
      try {
        return await startAgent(options, environment, closers);
      } catch (error) {
        await stop();
        throw error;
      }
    },
    reload(next) {
      const reloaded = compareOptions(options, next, reloadableOptions);
      for (const key of reloadableOptions) (options as Record<string, unknown>)[key] = next[key];
      return reloaded;
    },
    stop,
  };
}

async function startAgent(
  options: AgentOptions,
  environment: AgentEnvironment,
  closers: Closers,
): Promise<AgentAddresses> {
  const foundation = await layFoundation(options, environment, closers);
  const serving = makeServing(options, environment, foundation);
  closers.push(() => serving.server.close());
  const parts = makeParts(options, environment, foundation, serving);
  const api = await openLocalApi({
    models: serving.server,
    metrics: serving.metrics,
    tritonMetrics: serving.tritonMetrics,
    clock: environment.clock,
    host: options.host,
    port: options.port,
    version: environment.version,
    logger: environment.logger.child({ part: 'api' }),
  });
  closers.push(() => api.close());
  const { device, group, hub } = foundation.identity;
  const addresses = { device, group, hub, url: api.url };
  await startParts(addresses, environment, foundation, serving, parts, closers);
  return addresses;
}

type Foundation = Awaited<ReturnType<typeof layFoundation>>;

/** What is on the disk: folder, lock, identity, slots, chunks, messages. */
async function layFoundation(options: AgentOptions, { clock, logger }: AgentEnvironment, closers: Closers) {
  const paths = dataFolder(options.data);
  const identity = await loadIdentityOrDamage(options.data, existsSync(paths.slotIndex));
  const lock = lockFolder(options.data);
  closers.push(() => lock.release());
  await makeStateFolder(paths.state);
  const reserve = new DiskReserve(paths.reserve, limits.diskReserveBytes);
  const { withFreeSpace } = reserve;
  const slots = new SlotStore({
    folder: paths.slots,
    indexFile: paths.slotIndex,
    keepPrevious: options.keepPrevious,
    withFreeSpace,
    logger: logger.child({ part: 'slots' }),
  });
  await slots.load();
  const chunks = new ChunkStore(paths.chunks);
  await chunks.load();
  const outbox = await Outbox.open({
    folder: paths.outbox,
    clock,
    logger: logger.child({ part: 'outbox' }),
    bytesMax: options.spoolBytesMax,
  });
  closers.push(() => outbox.close());
  // The hub signed the certificate: it cannot be earlier than when it begins.
  const floor = await ClockFloor.open(paths.clock, clock, identity.certificateFrom);
  const predictions = await PredictionStore.open({
    folder: paths.predictions,
    bytesMax: options.predictionsMaxBytes,
    ageMaxMs: options.predictionsKeptMs,
    clock,
    now: () => floor.now(),
    logger: logger.child({ part: 'telemetry' }),
  });
  closers.push(() => predictions.close());
  return { paths, identity, slots, chunks, outbox, floor, predictions, reserve, boot: await readBootId() };
}

type Parts = ReturnType<typeof makeParts>;

/** Every part that follows the hub, told whom it works with. Nothing runs yet. */
function makeParts(
  options: AgentOptions,
  { clock, random, logger, logLost, version, onTransition }: AgentEnvironment,
  { paths, identity, slots, chunks, outbox, predictions, floor, boot, reserve }: Foundation,
  { server, metrics }: Serving,
) {
  const stopping = new AbortController();
  const { withFreeSpace } = reserve;
  const verifiedFiles = new VerifiedFiles(paths.trust);
  const trust = new VerifiedVersions({
    files: verifiedFiles,
    floor,
    clock,
    withFreeSpace,
    hubTime: () => hubTime(identity.hub, [identity.caPem, ...systemCas()]),
    logger: logger.child({ part: 'trust' }),
  });
  const linkWatch = new LinkWatch({
    tell: (code, text) => conditions.set(code, text),
    clock,
    logger: logger.child({ part: 'connection' }),
  });
  const handlers: HubLinkHandlers = {
    connected() {
      linkWatch.connected();
      fetcher.linkChanged();
      updates.notify();
      outbox.sendOver(link);
      reporter.changed();
    },
    disconnected() {
      trust.onDisconnected();
      fetcher.linkChanged();
    },
    desired: (payload) => inbox.receive(payload, stopping.signal),
    command: (payload) => linkWatch.receive(payload),
    trust(role, payload) {
      const isKnown = trust.onTrust(role, payload);
      if (isKnown) inbox.retryNow(stopping.signal);
      return isKnown;
    },
    chunk: (digest, payload) => fetcher.receive(digest, payload),
    chunkError: (payload) => fetcher.receiveError(payload),
  };
  const link: MqttSession = new MqttSession({
    identity,
    handlers,
    clock,
    floor,
    random,
    logger: logger.child({ part: 'connection' }),
    waits: {
      ...reconnectWaitsDefault,
      lost: { ...reconnectWaitsDefault.lost, maxMs: options.reconnectMaxMs },
    },
    instance: randomBytes(16).toString('hex'),
    isShared: () => linkWatch.isShared,
    onFailure: (error) => linkWatch.failed(error),
  });
  const fetcher: ChunkFetcher = new ChunkFetcher({
    transport: new MqttChunkTransport(link),
    store: chunks,
    clock,
    random,
    logger: logger.child({ part: 'download' }),
    bytesPerSecondMax: () => options.downloadBytesPerSecondMax,
  });
  const free = () => freeBytes(options.data);
  const download = new VersionDownload({
    chunks,
    fetcher,
    slots,
    slotChunks: new SlotChunks(slots),
    freeBytes: free,
  });
  const updateLogger = logger.child({ part: 'update' });
  const conditions: Conditions = new Conditions(() => reporter.changed());
  const restorer = new ServingRestorer({ slots, served: server, conditions, logger: updateLogger });
  const updateMetrics = new UpdateMetrics(metrics);
  const updates: ModelUpdates = new ModelUpdates({
    journal: new UpdateJournal({ folder: paths.updates, withFreeSpace, logger: updateLogger }),
    slots,
    served: server,
    restorer,
    executors: makeStepExecutors({
      trust,
      download,
      slots,
      served: server,
      restorer,
      heavyWork: new Mutex(),
      isConnected: () => link.isConnected,
      clock,
    }),
    chunksHeld: (digest) => download.chunksHeld(digest),
    freeBytes: free,
    boot,
    announce: (event) => {
      updateMetrics.entered(event);
      return outbox.enqueue('events', encodeUpdateEvent(event));
    },
    isConnected: () => link.isConnected,
    isHeld: () => existsSync(paths.hold),
    onChange: () => {
      health.noteUpdates();
      reporter.changed();
    },
    onTransition,
    progress: (digest) => download.progress(digest),
    clock,
    random,
    logger: updateLogger,
  });
  server.whenDamaged(updates.replaceDamaged);
  const inbox: DesiredInbox = new DesiredInbox({
    file: paths.desired,
    deviceId: identity.device,
    trust,
    onAccepted: (state) => updates.follow(state),
    onRefused: (fault) => conditions.set('desired_state_refused', fault && `${fault.code}: ${fault.message}`),
    clock,
    floor,
    withFreeSpace,
    logger: updateLogger,
  });
  const facts = readDeviceFacts({ agentVersion: version, providers: providersOffered });
  const compose = async (): Promise<ReportedState> => ({
    v: 2,
    at: new Date(clock.now()).toISOString(),
    sequence: inbox.sequence,
    facts,
    freeBytes: await free().catch(() => 0),
    models: [...updates.report(clock.now())],
    conditions: [...conditions.list()],
  });
  const reporter: StateReporter = new StateReporter({
    link: () => link,
    compose,
    heartbeatMs: options.heartbeatMs,
    clock,
    random,
    logger: logger.child({ part: 'health' }),
  });
  const health: HealthWatch = new HealthWatch({
    conditions,
    slots,
    download,
    updates,
    trust,
    provenMs: () => floor.now(),
    certificate: identity,
    freeBytes: free,
    makeReserve: () => reserve.make(),
    noteLink: () => linkWatch.note(),
    isConnected: () => link.isConnected,
    dropped: () => outbox.dropped,
    predictionFault: () => predictions.fault,
    holdFile: paths.hold,
    data: options.data,
    logLost,
    clock,
    logger: logger.child({ part: 'health' }),
  });
  updateMetrics.addModels(metrics, () => updates.report(clock.now()));
  addConnectionMetrics(metrics, { link, linkWatch, outbox });
  addHealthMetrics(metrics, {
    conditions: () => conditions.list(),
    freeBytes: free,
    certificateExpiresAt: identity.certificateExpiresAt,
    trust: verifiedFiles,
    monotonic: () => clock.monotonic(),
  });
  return { stopping, link, linkWatch, updates, inbox, reporter, health, conditions, compose };
}

const STOP_WAIT_MS = 3_000;

/** From the inside out; `closers` closes them in reverse. */
async function startParts(
  addresses: AgentAddresses,
  { clock, logger, lasting }: AgentEnvironment,
  { paths, slots, outbox, floor }: Foundation,
  { telemetry }: Serving,
  { stopping, link, linkWatch, updates, inbox, reporter, health, conditions, compose }: Parts,
  closers: Closers,
): Promise<void> {
  await updates.load();
  await inbox.load(updates.sequence);
  conditions.set('slots_rebuilt', slots.repairs);
  await updates.restore();
  if (inbox.accepted) updates.follow(inbox.accepted);
  const status = async (): Promise<AgentStatus> => {
    health.noteLog();
    const { busySince } = linkWatch;
    return {
      ...addresses,
      running: true,
      connected: link.isConnected,
      ...(busySince !== undefined && { hubBusySince: new Date(busySince).toISOString() }),
      outbox: { size: outbox.size, dropped: outbox.dropped },
      reported: await compose(),
    };
  };
  const control = await openControlServer(paths.control, {
    status,
    ...modelOrders(updates),
    resetClock: async () => ({ nowMs: await floor.reset() }),
  }).catch((error: unknown) => {
    // What runs goes on without it (promise P2).
    logger.error({ reason: errorText(error) }, 'status, rollback and release cannot reach this agent');
  });
  if (control) closers.push(() => control.close());
  const { signal } = stopping;
  const running = [updates.run(signal), telemetry.run(signal), reporter.run(signal), health.run(signal)];
  lasting?.watch(running);
  closers.push(async () => {
    await telemetry.flush();
    // A hub that does not answer, or golden samples that run long, do not hold up the end: both begin again next time.
    await Promise.race([reporter.send(), clock.sleep(STOP_WAIT_MS)]);
    stopping.abort(new Error('the agent stops'));
    await Promise.race([Promise.all(running), clock.sleep(STOP_WAIT_MS)]);
    await link.close();
  });
  link.start();
}
