/** Every option of the agent: key, default, description. */
import { logLevels } from '../../platform/logger.ts';
import {
  bytesOption,
  choiceOption,
  durationOption,
  integerOption,
  type OptionsOf,
  textOption,
} from '../../platform/option-table.ts';
import { runnerMemoryBytesDefault } from '../../runner/runner-launch.ts';
import { limits } from '../../shared/base/limits.ts';

const HOUR_MS = 3_600_000;

const dataFolderDefault = './modelfleet-agent';

export const agentOptionTable = {
  data: textOption(dataFolderDefault, 'folder with all data of the agent: identity, versions, state', 'DIR'),
  host: textOption(
    '127.0.0.1',
    'address that the local API listens on; it asks for no credentials',
    'ADDRESS',
  ),
  port: integerOption(7470, { min: 0, max: 65_535 }, 'port of the local API; 0 for any free one'),
  keepPrevious: integerOption(
    limits.slotsPreviousDefault,
    { min: 1, max: limits.slotsPreviousMax },
    'number of earlier versions of each model that are kept for a rollback',
  ),
  threads: integerOption(
    1,
    { min: 1, max: 256 },
    'CPU threads of each model for one operator (intra-op threads of ONNX Runtime)',
  ),
  inferDeadlineMs: durationOption(
    limits.inferDeadlineMsDefault,
    { min: 100, max: limits.inferDeadlineMsMax },
    'longest wait of an inference request in the queue, and longest run; a run over it is ended with its process',
  ),
  runnerMemoryMax: {
    ...integerOption(
      runnerMemoryBytesDefault(),
      { min: limits.runnerMemoryBytesMin, max: 2 ** 40 },
      'highest memory in bytes of the process that runs a model; enforced on Linux for models on the CPU',
    ),
    shown: 'half of the memory of the machine or container',
  },
  reconnectMaxMs: durationOption(
    60_000,
    { min: 1_000, max: 24 * HOUR_MS },
    'longest wait between attempts to reach a lost hub; waits grow from 1s, with jitter',
  ),
  heartbeatMs: durationOption(
    60_000,
    { min: 100, max: 24 * HOUR_MS },
    'interval at which the device reports its state when nothing changes',
  ),
  windowMs: durationOption(60_000, { min: 100, max: HOUR_MS }, 'interval of telemetry reports'),
  spoolBytesMax: integerOption(
    limits.spoolBytesMaxDefault,
    { min: 64 * 1024, max: 2 ** 40 },
    'highest disk use in bytes of messages that the hub has not acknowledged; above it the oldest telemetry is dropped',
  ),
  predictionsMaxBytes: bytesOption(
    limits.predictionsMaxBytesDefault,
    { min: 0, max: limits.predictionsMaxBytesMax },
    'highest disk use of predictions that are kept for later labels; above it the oldest are deleted; 0: only the latest are kept, in memory',
  ),
  predictionsKeptMs: durationOption(
    limits.predictionsKeptMsDefault,
    { min: HOUR_MS, max: 400 * 24 * HOUR_MS },
    'time before predictions that are kept for later labels are deleted',
  ),
  downloadBytesPerSecondMax: integerOption(
    0,
    { min: 0, max: 2 ** 40 },
    'highest average speed of downloads in bytes per second; 0: no limit',
  ),
  logLevel: choiceOption('info', logLevels, 'lowest severity that is logged, on standard error', 'LEVEL'),
} as const;

export type AgentOptions = OptionsOf<typeof agentOptionTable>;

/** Those that SIGHUP changes while the agent runs; the others need a restart. */
export const reloadableOptions = [
  'logLevel',
  'downloadBytesPerSecondMax',
] as const satisfies readonly (keyof AgentOptions)[];
