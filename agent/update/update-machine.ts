/**
 * The update machine: which state follows which event. One table, no I/O. A pair without a row cannot happen in a
 * correct runner and is refused loudly; the comments say why a row one might look for is absent.
 * STATES.md draws it; what each event means is said at `MachineEvent`.
 */
import type { UpdateState } from '../../shared/protocol/update-event.ts';

export const machineEvents = [
  /** The hub wants a version that is neither active nor settled as refused. */
  'wanted',
  /** The hub wants, for a new rollout, the version that is active already. */
  'confirmed',
  /** The work of the state is done. */
  'passed',
  /** The work of the state has failed for good. */
  'failed',
  /** Somebody at the device asks that nothing be switched now. */
  'hold',
  'released',
  /** The hub no longer wants the version under way. */
  'superseded',
  /** The agent was restarted too often in this state. */
  'looped',
  /** Somebody at the device orders the version before. */
  'ordered',
] as const;
export type MachineEvent = (typeof machineEvents)[number];

type Row = Readonly<Partial<Record<MachineEvent, UpdateState>>>;

/** A settled state waits for a desired version or an order; nothing is under way, so nothing can pass, fail or be superseded. */
const settled: Row = { wanted: 'checking', confirmed: 'committed', ordered: 'rolling-back' };

// biome-ignore format: a table is read by its columns
export const updateTable: Readonly<Record<UpdateState, Row>> = {
  'idle':         settled,
  // Up to `qualifying` nothing has been switched: what goes wrong ends in `rejected`, what is no longer wanted in
  // `idle`, and an order to go back has nothing to undo (it waits until the machine has settled).
  'checking':     { passed: 'downloading', failed: 'rejected', superseded: 'idle', looped: 'rejected' },
  'downloading':  { passed: 'verifying',   failed: 'rejected', superseded: 'idle', looped: 'rejected' },
  'verifying':    { passed: 'staged',      failed: 'rejected', superseded: 'idle', looped: 'rejected' },
  // `staged` and `held` do no work: nothing in them can fail, or end the agent.
  'staged':       { passed: 'qualifying',  hold: 'held',       superseded: 'idle' },
  'held':         { released: 'qualifying',                    superseded: 'idle' },
  'qualifying':   { passed: 'activating',  failed: 'rejected', superseded: 'idle', looped: 'rejected' },
  // From here on the version answers requests, so every way out but `committed` leads back.
  'activating':   { passed: 'trial',     failed: 'rolling-back', superseded: 'rolling-back', looped: 'rolling-back', ordered: 'rolling-back' },
  'trial':        { passed: 'committed', failed: 'rolling-back', superseded: 'rolling-back', looped: 'rolling-back', ordered: 'rolling-back' },
  // Going back is tried again until it has passed, and nothing reports "back" before; a new desired version waits for it. It fails when
  // it was ordered and nothing that is kept can be served in place of what runs, which then stays.
  'rolling-back': { passed: 'rolled-back', failed: 'committed' },
  'committed':    settled,
  'rolled-back':  settled,
  'rejected':     settled,
};

/** The state after `event` in `state`; undefined when the table has no such row. */
export function nextState(state: UpdateState, event: MachineEvent): UpdateState | undefined {
  return updateTable[state][event];
}

/** True when nothing is under way: the machine waits for a desired version or an order. */
export function isSettled(state: UpdateState): boolean {
  return updateTable[state] === settled;
}

/** True while the version under way answers requests, so that leaving it means going back. */
export function isSwitched(state: UpdateState): boolean {
  return state === 'activating' || state === 'trial';
}
