/** Every option of the hub: key, default, unit, sentence. */
import { logLevels } from '../../platform/logger.ts';
import {
  bytesOption,
  choiceOption,
  durationOption,
  integerOption,
  listOption,
  type OptionsOf,
  textOption,
} from '../../platform/option-table.ts';
import { limits } from '../../shared/base/limits.ts';
import { hostPortOption, publicUrlOption } from './address-options.ts';

const portBounds = { min: 0, max: 65_535 };
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const GIB = 1024 ** 3;
const keptBounds = { min: 600_000, max: 3_650 * DAY_MS };
const sizeBounds = { min: 1024 ** 2, max: 2 ** 50 };

export const hubOptionTable = {
  data: textOption('./modelfleet-hub', 'Folder that holds all of the hub: keys, database, artifacts.', 'DIR'),
  httpHost: textOption('127.0.0.1', 'Address the REST API listens on.', 'ADDRESS'),
  httpPort: integerOption(7443, portBounds, 'Port of the REST API; 0 takes a free one.'),
  requestsPerToken: integerOption(
    30_000,
    { min: 60, max: 100_000_000 },
    'Requests to the REST API that one token may make in a minute; each uploaded chunk is one.',
  ),
  mqttHost: textOption('127.0.0.1', 'Address the MQTT broker listens on.', 'ADDRESS'),
  mqttPort: integerOption(8883, portBounds, 'Port of the MQTT broker; 0 takes a free one.'),
  mqttHalfOpenPerAddress: integerOption(
    4_096,
    { min: 1, max: limits.halfOpenMax },
    'Connections one address may have that are not admitted yet; raise it for a large fleet behind one router.',
  ),
  advertise: listOption(
    ['localhost'],
    /^[A-Za-z0-9.:_-]{1,253}$/,
    'host names or addresses, separated by commas',
    'Host names under which devices and people reach the hub: in its certificate; the first one in join tokens.',
  ),
  publicUrl: publicUrlOption(
    'URL under which devices and people reach the REST API, where it is not the first advertised name and the port: behind a proxy.',
  ),
  publicMqtt: hostPortOption('Host and port under which devices reach the broker, where they are others.'),
  publicTrust: choiceOption(
    'auto',
    ['auto', 'hub-ca', 'system'],
    'What a device that enrols verifies the public URL with; auto: the hub CA, or what the own certificate needs.',
    'TRUST',
  ),
  trustedProxies: listOption(
    [],
    /^[0-9A-Fa-f.:]{2,45}(\/\d{1,3})?$/,
    'addresses or networks such as 10.0.0.0/8, separated by commas',
    'Reverse proxies whose X-Forwarded-For and X-Forwarded-Proto are believed.',
  ),
  httpTlsCert: textOption('', 'Own certificate of the REST API with its chain, PEM.', 'FILE'),
  httpTlsKey: textOption('', 'Its private key, PEM.', 'FILE'),
  httpConnections: integerOption(
    limits.httpConnectionsMax,
    { min: 16, max: limits.httpConnectionsMax },
    'Connections to the REST API, in all.',
  ),
  httpConnectionsPerAddress: integerOption(
    limits.httpConnectionsPerAddressMax,
    { min: 4, max: limits.httpConnectionsPerAddressMax },
    'Connections to the REST API of one address that is no trusted proxy.',
  ),
  logLevel: choiceOption(
    'info',
    logLevels,
    'Least severe log line that is written (standard error).',
    'LEVEL',
  ),
  accessLog: textOption(
    'off',
    'Where a line for each request to the REST API goes: off, stderr (into the log, level info), or a file.',
    'off|stderr|FILE',
  ),
  telemetryBucketMs: durationOption(
    60_000,
    { min: 1_000, max: HOUR_MS, divides: HOUR_MS },
    'Shortest span of time that requests, errors and latencies are summed up for; a day later they are known by the hour.',
  ),
  rolloutObserveMs: durationOption(
    2_000,
    { min: 50, max: 60_000 },
    'How often the gates of a running rollout evaluate telemetry.',
  ),
  uploadKeptMs: durationOption(
    DAY_MS,
    keptBounds,
    'How long uploaded chunks are kept that no version names; longer than the upload of a version takes.',
  ),
  uploadMaxBytes: bytesOption(
    64 * GIB,
    sizeBounds,
    'Uploaded chunks that no version names may take so much in all.',
  ),
  uploadMaxPerTokenBytes: bytesOption(
    16 * GIB,
    sizeBounds,
    'And of one token so much; a version that is larger cannot be published.',
  ),
  withdrawnKeptMs: durationOption(
    30 * DAY_MS,
    keptBounds,
    'How long the files of a withdrawn version are kept that no device runs, wants or may go back to.',
  ),
  storageMaxBytes: bytesOption(
    Number.POSITIVE_INFINITY,
    sizeBounds,
    'All chunks and manifests may take so much on the disk.',
  ),
  telemetryKeptMs: durationOption(
    14 * DAY_MS,
    { min: 2 * DAY_MS, max: 400 * DAY_MS },
    'How long telemetry is kept.',
  ),
  telemetryMaxBytes: bytesOption(
    16 * GIB,
    { ...sizeBounds, min: 64 * 1024 ** 2 },
    'Telemetry may take so much on the disk; beyond it the oldest leaves.',
  ),
  historyKeptMs: durationOption(
    400 * DAY_MS,
    { min: 30 * DAY_MS, max: 36_500 * DAY_MS },
    'How long ended rollouts, events of devices and removed devices are kept.',
  ),
  auditKeptMs: durationOption(
    400 * DAY_MS,
    { min: 30 * DAY_MS, max: 36_500 * DAY_MS },
    'How long rows of the audit log are kept; a signed checkpoint covers those that left.',
  ),
  auditHeadFile: textOption(
    '',
    'File outside the data folder that signed heads of the audit log are appended to, once a minute when it has grown.',
    'FILE',
  ),
} as const;

export type HubOptions = OptionsOf<typeof hubOptionTable>;

/** Those that SIGHUP changes while the hub runs; the others need a restart. */
export const reloadableOptions = [
  'logLevel',
  'accessLog',
  'httpTlsCert',
  'httpTlsKey',
  'trustedProxies',
  'httpConnections',
  'httpConnectionsPerAddress',
  'uploadMaxBytes',
  'uploadMaxPerTokenBytes',
  'storageMaxBytes',
] as const satisfies readonly (keyof HubOptions)[];
