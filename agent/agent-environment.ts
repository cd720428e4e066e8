/** What an agent is given by the program that runs it. */
import type { Logger } from '../platform/logger.ts';
import type { LastingParts } from '../platform/service-manager.ts';
import type { Clock, Random } from '../shared/base/clock.ts';
import type { UpdateState } from '../shared/protocol/update-event.ts';

export interface AgentEnvironment {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** How many log lines nobody took. */
  readonly logLost?: () => number;
  /** Learns of parts that end before the agent does. */
  readonly lasting?: LastingParts;
  /** The program's version. */
  readonly version: string;
  /** Called right after an update state was stored, before anything is done in it. */
  readonly onTransition?: (model: string, state: UpdateState) => void;
}
