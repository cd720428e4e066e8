/**
 * What a start of the agent says of the update it finds under way. Counted is only what may be the doing of the
 * state's own work: an end in the middle of it that was not in order. A stop that was asked for never counts, nor does an
 * end while the work rested or waited; and work that came on since the start before is no loop.
 *
 * A machine that went off and the agent that was killed look alike but for the machine's boot: with another boot it is the
 * power, as in a vehicle, and not counted either — except where the version's own code ran, because a model that takes the
 * whole machine down must not do so for ever.
 */
import type { UpdateState } from '../../shared/protocol/update-event.ts';
import type { Attempt } from './update-record.ts';

/** States in which the version's own code runs. */
const runsVersion: ReadonlySet<UpdateState> = new Set(['qualifying', 'activating', 'trial']);

export interface AgentStart {
  /** Names the machine's boot. */
  readonly boot: string;
  /**
   * How far the work has come, in a unit of the state: chunks that are there, golden samples that were right, milliseconds
   * of trial served.
   */
  readonly progress: number;
}

/** How far the work under way has come. */
export async function workDone(
  attempt: Attempt | undefined,
  chunksHeld: (manifestSha256: string) => Promise<number>,
): Promise<number> {
  if (attempt?.state === 'trial') return Math.floor(attempt.trialSpentMs);
  if (attempt?.state === 'qualifying') return attempt.samplesDone ?? 0;
  return attempt?.state === 'downloading' ? chunksHeld(attempt.manifest).catch(() => 0) : 0;
}

/** The attempt after the start, with the work at rest. */
export function countStart(attempt: Attempt, { boot, progress }: AgentStart): Attempt {
  const { working, ...rest } = attempt;
  const cameOn = progress > (attempt.progress ?? 0);
  return { ...rest, progress, restarts: restartsAfter(attempt, working, boot, cameOn) };
}

function restartsAfter(
  { state, restarts }: Attempt,
  working: string | undefined,
  boot: string,
  cameOn: boolean,
): number {
  // A trial that serves on comes on by itself; there only time without a crash forgives, and the power going off counts not.
  if (cameOn && state !== 'trial') return 0;
  if (working === undefined) return restarts;
  const wentOff = working !== boot;
  if (wentOff && (cameOn || !runsVersion.has(state))) return restarts;
  return restarts + 1;
}
