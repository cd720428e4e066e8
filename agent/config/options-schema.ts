/** Every option of the agent: key, default, unit, sentence. */
import { logLevels } from '../../platform/logger.ts';
import {
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
  data: textOption(
    dataFolderDefault,
    'Folder that holds all of the agent: identity, versions, state.',
    'DIR',
  ),
  host: textOption('127.0.0.1', 'Address the local API listens on; it asks for no credentials.', 'ADDRESS'),
  port: integerOption(7470, { min: 0, max: 65_535 }, 'Port of the local API; 0 takes a free one.'),
  keepPrevious: integerOption(
    limits.slotsPreviousDefault,
    { min: 1, max: limits.slotsPreviousMax },
    'Versions of each model kept to go back to.',
  ),
  threads: integerOption(1, { min: 1, max: 256 }, 'Threads of each runner inside one operator.'),
  inferDeadlineMs: durationOption(
    limits.inferDeadlineMsDefault,
    { min: 100, max: limits.inferDeadlineMsMax },
    'Longest wait of an inference request for its turn, and longest run; a run over it is ended with its runner.',
  ),
  runnerMemoryMax: integerOption(
    runnerMemoryBytesDefault(),
    { min: limits.runnerMemoryBytesMin, max: 2 ** 40 },
    'Memory each runner may take, a hard limit on Linux; by default half of the machine’s or of its container’s.',
    'bytes',
  ),
  reconnectMaxMs: durationOption(
    60_000,
    { min: 1_000, max: 24 * HOUR_MS },
    'Longest wait before a hub that was lost is tried again; waits grow from 1 s and vary by chance.',
  ),
  heartbeatMs: durationOption(
    60_000,
    { min: 100, max: 24 * HOUR_MS },
    'How often the device reports its state when nothing changes.',
  ),
  windowMs: durationOption(60_000, { min: 100, max: HOUR_MS }, 'Time span of one telemetry report.'),
  spoolBytesMax: integerOption(
    limits.spoolBytesMaxDefault,
    { min: 64 * 1024, max: 2 ** 40 },
    'Disk for messages the hub has not taken yet.',
    'bytes',
  ),
  downloadBytesPerSecondMax: integerOption(
    0,
    { min: 0, max: 2 ** 40 },
    'How fast versions are downloaded, on average; 0 is no limit.',
    'bytes a second',
  ),
  logLevel: choiceOption(
    'info',
    logLevels,
    'Least severe log line that is written (standard error).',
    'LEVEL',
  ),
} as const;

export type AgentOptions = OptionsOf<typeof agentOptionTable>;

/** Those that SIGHUP changes while the agent runs; the others need a restart. */
export const reloadableOptions = [
  'logLevel',
  'downloadBytesPerSecondMax',
] as const satisfies readonly (keyof AgentOptions)[];
