/**
 * The hub's composition root: the one place that constructs its parts and says who knows whom. Starting goes from the data
 * folder outwards to the network, stopping the other way round; a start that fails undoes what it had started.
 */

import type { Reloaded } from '../platform/reload.ts';
import { tokenRoutes } from './access/token-routes.ts';
import { makeAlertParts } from './alert-parts.ts';
import { auditRoutes } from './audit/audit-routes.ts';
import { catchUp, requireClock } from './backup/catch-up.ts';
import { AedesBroker } from './broker/aedes-broker.ts';
import { Dispatch } from './broker/dispatch.ts';
import { makeClockGuard } from './clock-parts.ts';
import { publicAddresses } from './config/address-options.ts';
import type { HubOptions } from './config/options-schema.ts';
import { storageError } from './db/storage-error.ts';
import { deviceRoutes } from './devices/device-routes.ts';
import { DeviceService } from './devices/device-service.ts';
import { DeviceStore } from './devices/device-store.ts';
import { driftRoutes } from './drift/drift-routes.ts';
import { makeEnrolmentParts } from './enrolment-parts.ts';
import { type Closers, type Foundation, type HubEnvironment, layFoundation } from './foundation.ts';
import { AccessLog, openAccessTarget } from './http/access-log.ts';
import { HttpServer } from './http/server.ts';
import { TrustedProxies } from './http/trusted-proxies.ts';
import { makeHttpParts } from './http-parts.ts';
import type { Hub, HubAddresses, StartOptions } from './hub-lifecycle.ts';
import { DeviceInbox } from './inbox/device-inbox.ts';
import { addFleetFigures } from './metrics-parts.ts';
import { modelRoutes } from './models/model-routes.ts';
import { ModelService } from './models/model-service.ts';
import { runCertificateRenewal, type ServerIdentity } from './pki/certificate-renewal.ts';
import { makeReload } from './reload.ts';
import { retentionRoutes } from './retention/retention-routes.ts';
import { makeRetention } from './retention-parts.ts';
import { DesiredStore } from './rollout/desired-store.ts';
import { Director } from './rollout/director.ts';
import { makeRolloutParts } from './rollout-parts.ts';
import { refusalOf } from './security/refused-request.ts';
import { runExpiryRefresh } from './signing/expiry-refresh.ts';
import { trustRoutes } from './signing/trust-routes.ts';
import { TufRepository } from './signing/tuf-repository.ts';
import { figureRoutes } from './telemetry/breakdown/figure-routes.ts';
import { telemetryRoutes } from './telemetry/telemetry-routes.ts';
import { makeTelemetryParts } from './telemetry-parts.ts';
import { blobRoutes } from './transfer/blob-routes.ts';
import { TransferService } from './transfer/transfer-service.ts';

/** Set by a start that has come to its end. */
interface Reloading {
  reload?: (options: HubOptions) => Promise<Reloaded>;
}

/** Constructs nothing that runs: all of it happens in `start`. */
export function createHub(given: HubOptions, environment: HubEnvironment): Hub {
  // A reload changes some of them in place; whoever needs the newest value reads it from here each time.
  const options = { ...given };
  const closers: Closers = [];
  const reloading: Reloading = {};
  const stop = async () => {
    delete reloading.reload;
    const failures: unknown[] = [];
    for (let close = closers.pop(); close; close = closers.pop()) {
      try {
        await close();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  };
  return {
    async start(startOptions = {}) {
      try {
        return await startHub(options, environment, closers, startOptions, reloading);
      } catch (error) {
        // What made the start fail matters more than what fails while it is undone.
        await stop().catch(() => undefined);
        throw storageError(error, options.data) ?? error;
      }
    },
    async reload(next) {
      if (!reloading.reload) throw new Error('the hub is not running');
      return reloading.reload(next);
    },
    stop,
  };
}

async function startHub(
  options: HubOptions,
  environment: HubEnvironment,
  closers: Closers,
  startOptions: StartOptions,
  reloading: Reloading,
): Promise<HubAddresses> {
  const foundation = await layFoundation(options, environment, closers, startOptions.acceptLoss ?? false);
  const parts = makeParts(options, environment, foundation);
  await requireClock({ clock: environment.clock, data: options.data }, startOptions);
  await parts.clockGuard.start();
  await catchUp({ ...parts, ...foundation, ...environment, data: options.data }, startOptions);
  await startParts(options, parts, closers, environment);
  // Last, because its secret is lost when the start fails after it.
  const { adminTokenFile } = foundation;
  const inFile = startOptions.adminTokenInFile ?? false;
  const adminToken = await foundation.tokens.makeAdmin({
    always: startOptions.newAdminToken ?? false,
    ...(inFile && { keep: (name, secret) => adminTokenFile.write(name, secret) }),
  });
  const restTrust = parts.restTrust();
  reloading.reload = (next) => parts.reload(next);
  return {
    url: parts.hubUrl(),
    mqtt: parts.mqtt(),
    caPem: foundation.authority.caPem,
    caSha256: foundation.authority.caSha256,
    ...(restTrust !== undefined && { restTrust }),
    ...(adminToken && { adminToken, ...(inFile && { adminTokenFile: adminTokenFile.path }) }),
  };
}

type Parts = ReturnType<typeof makeParts>;

/** Every part, told whom it works with. Nothing runs yet. */
function makeParts(options: HubOptions, { clock, random, logger }: HubEnvironment, foundation: Foundation) {
  const { database, metrics, readiness, storage, audit, tokens, authority } = foundation;
  const { keys, blobs, ledger, version, security: refusals, restIdentity } = foundation;
  const { hubUrl, mqtt } = publicAddresses(options, { http: () => http.port, mqtt: () => broker.port });
  const restTrust = () => {
    if (options.publicTrust === 'auto') return restIdentity.own?.trust;
    return options.publicTrust === 'system' ? 'system' : undefined;
  };
  let proxies = new TrustedProxies(options.trustedProxies);

  // Connection.
  const broker: AedesBroker = new AedesBroker({
    tls: { key: authority.serverKeyPem, cert: authority.serverCertPem, ca: authority.caPem },
    listen: { host: options.mqttHost, port: options.mqttPort },
    halfOpenPerAddressMax: options.mqttHalfOpenPerAddress,
    isAdmitted: (deviceId, certificateSha256) => devices.isAdmitted(deviceId, certificateSha256),
    logger: logger.child({ part: 'broker' }),
    refusals,
  });
  readiness.add('broker', () => {
    if (broker.port === 0) throw new Error('not listening');
  });
  const inbox = new DeviceInbox({ database, logger: logger.child({ part: 'inbox' }) });
  const deviceStore = new DeviceStore(database);
  const devices = new DeviceService({
    store: deviceStore,
    inbox,
    audit,
    clock,
    logger: logger.child({ part: 'devices' }),
    refusals,
    connections: broker,
  });

  // Trust and registry.
  const trust = new TufRepository({
    database,
    broker,
    audit,
    keys,
    clock,
    logger: logger.child({ part: 'signing' }),
  });
  const models = new ModelService({ database, blobs, ledger, trust, audit, clock });
  const enrolment = makeEnrolmentParts({ clock }, foundation, {
    devices,
    trust,
    hubUrl,
    mqtt,
    restTrust,
  });

  // Who runs what, and who is brought what.
  const desired = new DesiredStore(database);
  const director = new Director({
    store: desired,
    signer: { keyid: keys.publicKeys.director.keyid, privateKey: keys.director },
    broker,
    clock,
    logger: logger.child({ part: 'director' }),
  });
  const transfer = new TransferService({
    broker,
    director,
    versions: models,
    blobs,
    clock,
    logger: logger.child({ part: 'transfer' }),
    refusals,
  });

  // Telemetry and drift.
  const { assignments, evidence, telemetry, drift } = makeTelemetryParts(
    options,
    { clock, logger },
    foundation,
    {
      inbox,
      models,
      director,
      devices,
    },
  );
  const driftWatch = addFleetFigures(
    { clock, logger },
    { metrics, authority, store: deviceStore },
    { broker, refusals, inbox, transfer, telemetry, devices, models, trust, drift },
  );

  // How versions spread.
  const rollout = makeRolloutParts(options, { clock, random, logger }, foundation, {
    broker,
    devices,
    models,
    desired,
    director,
    transfer,
    telemetry,
    drift,
  });
  devices.onRemoved({
    remove: async () => undefined,
    removed: async (id) => assignments.forget(id),
  });
  devices.onRemoved({
    remove: (id, now, tx) => telemetry.removed.remove(id, now, tx),
    removed: (id) => telemetry.removed.clearSoon(id),
    clear: (id) => telemetry.removed.clear(id),
    clearWithin: (id, tx) => telemetry.removed.clearWithin(id, tx),
  });

  const alerting = makeAlertParts(options, { clock, random, logger }, foundation, {
    devices,
    models,
    telemetry,
    driftWatch,
    updating: rollout.updating,
  });
  const retention = makeRetention(options, { clock, random, logger }, foundation, {
    models,
    versionHolders: rollout.holders,
    director,
    leases: rollout.leases,
    evidence,
  });

  // Network.
  const dispatch = new Dispatch({
    devices,
    inbox,
    handlers: {
      reported: (id, payload) => devices.receiveReported(id, payload),
      events: (id, payload) => devices.receiveEvent(id, payload),
      presence: (id, payload) => devices.receivePresence(id, payload),
      telemetry: (id, payload) => {
        alerting.reportTimes.note(id);
        return telemetry.receive(id, payload);
      },
      'chunk/get': (id, payload) => transfer.receive(id, payload),
      // Answers to commands; there are no commands yet.
      reply: async () => undefined,
    },
  });
  const accessLog = new AccessLog({
    target: openAccessTarget(options.accessLog),
    logger: logger.child({ part: 'access' }),
  });
  const http: HttpServer = new HttpServer({
    accessLog,
    tls: restIdentity.current,
    tokens,
    ...makeHttpParts(options, { clock }, foundation),
    routes: [
      tokenRoutes(tokens),
      auditRoutes({ audit, verification: foundation.auditVerification, heads: foundation.auditHeads }),
      ...enrolment.routes,
      deviceRoutes(devices),
      trustRoutes({ repository: trust, keys }),
      blobRoutes(ledger),
      modelRoutes(models),
      telemetryRoutes({ telemetry, versions: models, clock }),
      figureRoutes({ breakdown: telemetry.breakdown, clock }),
      driftRoutes({ drift, clock }),
      ...rollout.routes,
      ...alerting.routes,
      retentionRoutes(retention),
    ],
    readiness,
    metrics,
    logger: logger.child({ part: 'http' }),
    onError: storage.see,
    onRefused: (refused) => {
      const refusal = refusalOf(refused);
      if (refusal) refusals.refused(refusal);
    },
    refusals,
    proxies: () => proxies,
    connectionBounds: () => ({
      inAllMax: options.httpConnections,
      perAddressMax: options.httpConnectionsPerAddress,
    }),
    publicUrl: options.publicUrl,
    version,
  });
  const clockGuard = makeClockGuard({ clock, logger }, foundation, [evidence, enrolment.joinTokenStore]);
  const restListener = {
    useCertificate: (identity: ServerIdentity) => {
      if (!restIdentity.own) http.useCertificate(identity);
    },
  };
  const reload = makeReload(options, { clock }, foundation, {
    accessLog,
    http,
    broker,
    useProxies: (next) => {
      proxies = next;
    },
  });
  const background = [
    (signal: AbortSignal) => clockGuard.run(signal),
    (signal: AbortSignal) =>
      runExpiryRefresh({ repository: trust, clock, logger: logger.child({ part: 'signing' }) }, signal),
    (signal: AbortSignal) =>
      runCertificateRenewal(
        { authority, listeners: [broker, restListener], clock, logger: logger.child({ part: 'pki' }) },
        signal,
      ),
    (signal: AbortSignal) => foundation.auditHeads.run(signal),
    (signal: AbortSignal) => telemetry.run(signal),
    (signal: AbortSignal) => driftWatch.run(signal),
    ...alerting.background,
    (signal: AbortSignal) => refusals.run(signal),
    (signal: AbortSignal) => storage.run(signal),
    (signal: AbortSignal) => storage.runIntegrity(signal),
  ];
  return {
    broker,
    clockGuard,
    devices,
    inbox,
    transfer,
    dispatch,
    joinTokens: enrolment.joinTokens,
    trust,
    director,
    rolloutRunner: rollout.runner,
    retention,
    http,
    accessLog,
    background,
    hubUrl,
    mqtt,
    restTrust,
    reload,
  };
}

/** From the inside out; `closers` closes them in reverse. */
async function startParts(
  options: HubOptions,
  parts: Parts,
  closers: Closers,
  { lasting }: HubEnvironment,
): Promise<void> {
  const { broker, inbox, transfer, dispatch, trust, director, rolloutRunner } = parts;
  const { retention, http, background, accessLog, devices } = parts;
  closers.push(() => inbox.close());
  await broker.start(dispatch);
  closers.push(() => broker.close());
  closers.push(() => transfer.close());
  // What the broker retains lives in its memory: it is made again from the database.
  await trust.republish();
  await director.start();
  closers.push(() => director.close());
  rolloutRunner.start();
  closers.push(() => rolloutRunner.close());
  const stopping = new AbortController();
  const running = background.map((run) => run(stopping.signal));
  lasting?.watch(running);
  // It ends when it has counted all: no lasting part.
  const counted = devices.loadCensus(stopping.signal);
  closers.push(async () => {
    stopping.abort();
    await Promise.all([...running, counted]);
  });
  // After the answers under way have ended.
  closers.push(() => accessLog.close());
  await http.start({ host: options.httpHost, port: options.httpPort });
  closers.push(() => http.close());
  // Before the door closes: a collection somebody asked for ends early instead of holding up the end.
  retention.start();
  closers.push(() => retention.close());
}
