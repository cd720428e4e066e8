/** Every option of the hub: key, default, description. */
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
  data: textOption('./modelfleet-hub', 'folder with all data of the hub: keys, database, model files', 'DIR'),
  httpHost: textOption('127.0.0.1', 'address that the REST API listens on; 0.0.0.0 for all', 'ADDRESS'),
  httpPort: integerOption(7443, portBounds, 'port of the REST API; 0 for any free one'),
  requestsPerToken: integerOption(
    30_000,
    { min: 60, max: 100_000_000 },
    'highest number of REST requests per minute with one token; each uploaded chunk is a request',
  ),
  mqttHost: textOption('127.0.0.1', 'address that the MQTT broker listens on; 0.0.0.0 for all', 'ADDRESS'),
  mqttPort: integerOption(8883, portBounds, 'port of the MQTT broker; 0 for any free one'),
  mqttHalfOpenPerAddress: integerOption(
    4_096,
    { min: 1, max: limits.halfOpenMax },
    'highest number of MQTT connections from one address whose TLS handshake or login is not finished; raise it when many devices share an address (NAT)',
  ),
  advertise: listOption(
    ['localhost'],
    /^[A-Za-z0-9.:_-]{1,253}$/,
    'host names or addresses, separated by commas',
    'host names and addresses of the hub, named in its certificates; join tokens contain the first',
  ),
  publicUrl: publicUrlOption(
    'URL of the REST API as devices and users reach it, for a hub behind a proxy or NAT',
  ),
  publicMqtt: hostPortOption(
    'host and port of the broker as devices reach it, for a hub behind a proxy or NAT',
  ),
  publicTrust: choiceOption(
    'auto',
    ['auto', 'hub-ca', 'system'],
    "CA that devices and users verify the REST API with: hub-ca, the hub's own; system, those that their machine trusts; auto, that of --http-tls-cert if it is given, else the hub's own",
    'TRUST',
  ),
  trustedProxies: {
    ...listOption(
      [],
      /^[0-9A-Fa-f.:]{2,45}(\/\d{1,3})?$/,
      'addresses or networks such as 10.0.0.0/8, separated by commas',
      'reverse proxies, as addresses or networks, whose X-Forwarded-For and X-Forwarded-Proto headers are trusted',
    ),
    shown: 'none',
  },
  httpTlsCert: {
    ...textOption('', 'certificate of the REST API with its chain, PEM', 'FILE'),
    shown: 'one of the hub CA',
  },
  httpTlsKey: textOption('', 'private key of --http-tls-cert, PEM', 'FILE'),
  httpConnections: integerOption(
    limits.httpConnectionsMax,
    { min: 16, max: limits.httpConnectionsMax },
    'highest number of open connections to the REST API',
  ),
  httpConnectionsPerAddress: integerOption(
    limits.httpConnectionsPerAddressMax,
    { min: 4, max: limits.httpConnectionsPerAddressMax },
    'the same from one address, except from --trusted-proxies',
  ),
  logLevel: choiceOption('info', logLevels, 'lowest severity that is logged, on standard error', 'LEVEL'),
  accessLog: textOption(
    'off',
    'where to write a line of JSON for each REST request: a file, stderr (in the log, level info), or off',
    'off|stderr|FILE',
  ),
  telemetryBucketMs: durationOption(
    60_000,
    { min: 1_000, max: HOUR_MS, divides: HOUR_MS },
    'time resolution of requests, errors and latencies of the last day, which must divide 1h; older ones are kept per hour',
  ),
  alertReceivers: {
    ...textOption('', 'YAML file with the receivers of alerts: webhooks and Alertmanagers', 'FILE'),
    shown: 'none',
  },
  rolloutObserveMs: durationOption(
    2_000,
    { min: 50, max: 60_000 },
    'interval at which the gates of running rollouts are evaluated',
  ),
  uploadKeptMs: durationOption(
    DAY_MS,
    keptBounds,
    'time before uploaded chunks that no version uses are deleted; must be longer than the upload of a version takes',
  ),
  uploadMaxBytes: bytesOption(
    64 * GIB,
    sizeBounds,
    'highest total size of uploaded chunks that no version uses yet, of all tokens together',
  ),
  uploadMaxPerTokenBytes: bytesOption(
    16 * GIB,
    sizeBounds,
    'the same of one token; a larger version cannot be published',
  ),
  withdrawnKeptMs: durationOption(
    30 * DAY_MS,
    keptBounds,
    'time before the files of a withdrawn version are deleted; they stay while a device runs, keeps or is to run it',
  ),
  storageMaxBytes: bytesOption(
    Number.POSITIVE_INFINITY,
    sizeBounds,
    'highest disk use of all versions and uploads; none: no limit',
  ),
  telemetryKeptMs: durationOption(
    14 * DAY_MS,
    { min: 2 * DAY_MS, max: 400 * DAY_MS },
    'time before telemetry is deleted',
  ),
  telemetryMaxBytes: bytesOption(
    16 * GIB,
    { ...sizeBounds, min: 64 * 1024 ** 2 },
    'highest disk use of telemetry; above it the oldest is deleted before its time',
  ),
  historyKeptMs: durationOption(
    400 * DAY_MS,
    { min: 30 * DAY_MS, max: 36_500 * DAY_MS },
    'time before ended rollouts, events of devices and removed devices are deleted',
  ),
  auditKeptMs: durationOption(
    400 * DAY_MS,
    { min: 30 * DAY_MS, max: 36_500 * DAY_MS },
    'time before rows of the audit log and ended API tokens are deleted; a signed checkpoint covers deleted rows',
  ),
  auditHeadFile: {
    ...textOption(
      '',
      'file outside the data folder that the signed head of the audit log is appended to, once a minute when the log has grown',
      'FILE',
    ),
    shown: 'none',
  },
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
