import { describe, expect, it } from 'vitest';
import { slotsToRemove } from '../../../../agent/slots/garbage-collector.ts';
import {
  commitTrial,
  dropSlot,
  endTrial,
  goBack,
  keepsCommitted,
  type ModelSlots,
  noSlots,
  type SlotRef,
  servingSlot,
  startTrial,
} from '../../../../agent/slots/slot-index.ts';

const ref = (release: number): SlotRef => ({
  manifest: String(release).repeat(64),
  version: `${release}.0.0`,
  release,
  provider: 'cpu',
});
const committed = (...releases: number[]): ModelSlots =>
  releases.reduce((slots, release) => commitTrial(startTrial(slots, ref(release)), 2), noSlots);
const releases = (slots: ModelSlots) => [
  slots.active?.release,
  ...slots.previous.map(({ release }) => release),
];

describe('slot roles', () => {
  it('serve the version on trial, and last-known-good is untouched until the commit', () => {
    const slots = startTrial(committed(1), ref(2));
    expect(servingSlot(slots)?.release).toBe(2);
    expect(slots.active?.release).toBe(1);
    expect(endTrial(slots)).toEqual(committed(1));
  });

  it('keep as many previous versions as asked for, the newest first', () => {
    expect(releases(committed(1, 2, 3, 4))).toEqual([4, 3, 2]);
  });

  it('raise the floor with each commit and never lower it', () => {
    expect(committed(1, 4, 2).floor).toBe(4);
  });

  it('do not list a version twice when it is committed again', () => {
    expect(releases(committed(1, 2, 1))).toEqual([1, 2]);
  });

  it('go back to the version committed before the active one, and keep the one left for last', () => {
    expect(releases(goBack(committed(1, 2, 3), 'm'))).toEqual([2, 1, 3]);
    // 2 was taken back before 3 came.
    expect(releases(goBack(committed(1, 2, 1, 3), 'm'))).toEqual([1, 2, 3]);
    expect(() => goBack(committed(1, 2, 1), 'm')).toThrow(/no earlier version/);
    expect(() => goBack(goBack(goBack(committed(1, 2, 3), 'm'), 'm'), 'm')).toThrow(/no earlier version/);
    expect(() => goBack(noSlots, 'm')).toThrow(/no earlier version/);
  });

  it('take the newest previous version when the active one is dropped', () => {
    expect(releases(dropSlot(committed(1, 2, 3), ref(3).manifest))).toEqual([2, 1]);
    expect(releases(dropSlot(committed(1), ref(1).manifest))).toEqual([undefined]);
    expect(dropSlot(startTrial(committed(1), ref(2)), ref(2).manifest)).toEqual(committed(1));
  });

  it('count a version as kept only when it was committed', () => {
    const slots = startTrial(committed(1, 2), ref(3));
    expect(keepsCommitted(slots, ref(1).manifest)).toBe(true);
    expect(keepsCommitted(slots, ref(3).manifest)).toBe(false);
  });
});

describe('slotsToRemove', () => {
  it('names the slots without a role and without an update that works on them', () => {
    const onDisk = [1, 2, 3, 4, 5, 6].map((release) => ref(release).manifest);
    const index = { v: 1 as const, models: { m: startTrial(committed(1, 2, 3), ref(4)) } };
    expect(slotsToRemove({ index, onDisk, pinned: new Set([ref(5).manifest]) })).toEqual([ref(6).manifest]);
  });
});
