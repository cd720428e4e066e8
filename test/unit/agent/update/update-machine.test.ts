import { describe, expect, it } from 'vitest';
import {
  isSettled,
  isSwitched,
  machineEvents,
  nextState,
  updateTable,
} from '../../../../agent/update/update-machine.ts';
import { type UpdateState, updateStates } from '../../../../shared/protocol/update-event.ts';

/** Every row there is; all other pairs must be refused. */
const rows: readonly (readonly [UpdateState, string, UpdateState])[] = [
  ...(['idle', 'committed', 'rolled-back', 'rejected'] as const).flatMap(
    (state) =>
      [
        [state, 'wanted', 'checking'],
        [state, 'confirmed', 'committed'],
        [state, 'ordered', 'rolling-back'],
      ] as const,
  ),
  ...(
    [
      ['checking', 'downloading'],
      ['downloading', 'verifying'],
      ['verifying', 'staged'],
      ['qualifying', 'activating'],
    ] as const
  ).flatMap(
    ([state, next]) =>
      [
        [state, 'passed', next],
        [state, 'failed', 'rejected'],
        [state, 'superseded', 'idle'],
        [state, 'looped', 'rejected'],
      ] as const,
  ),
  ['staged', 'passed', 'qualifying'],
  ['staged', 'hold', 'held'],
  ['staged', 'superseded', 'idle'],
  ['held', 'released', 'qualifying'],
  ['held', 'superseded', 'idle'],
  ...(
    [
      ['activating', 'trial'],
      ['trial', 'committed'],
    ] as const
  ).flatMap(
    ([state, next]) =>
      [
        [state, 'passed', next],
        [state, 'failed', 'rolling-back'],
        [state, 'superseded', 'rolling-back'],
        [state, 'looped', 'rolling-back'],
        [state, 'ordered', 'rolling-back'],
      ] as const,
  ),
  ['rolling-back', 'passed', 'rolled-back'],
  ['rolling-back', 'failed', 'committed'],
];

describe('update machine', () => {
  for (const state of updateStates) {
    for (const event of machineEvents) {
      const row = rows.find((one) => one[0] === state && one[1] === event);
      it(`${state} × ${event} → ${row?.[2] ?? 'no row'}`, () => {
        expect(nextState(state, event)).toBe(row?.[2]);
      });
    }
  }

  it('has a row set for every state of the protocol', () => {
    expect(Object.keys(updateTable).sort()).toEqual([...updateStates].sort());
  });

  it('reaches every state from idle', () => {
    const reached = new Set<UpdateState>(['idle']);
    for (const state of reached) for (const next of Object.values(updateTable[state])) reached.add(next);
    expect(reached.size).toBe(updateStates.length);
  });

  it('leaves no state that is under way without a way to a settled one', () => {
    for (const start of updateStates) {
      const seen = new Set<UpdateState>([start]);
      for (const state of seen) for (const next of Object.values(updateTable[state])) seen.add(next);
      expect([...seen].some(isSettled)).toBe(true);
    }
  });

  it('goes from a version that answers to committed or back, never to rejected or idle', () => {
    for (const state of updateStates.filter(isSwitched)) {
      expect(Object.values(updateTable[state])).not.toContain('rejected');
      expect(Object.values(updateTable[state])).not.toContain('idle');
    }
  });
});
