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
  servingOrder,
  servingSlot,
  startTrial,
  versionsBefore,
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

  const back = (slots: ModelSlots) => goBack(slots, versionsBefore(slots)[0]!.manifest);
  const toGoBackTo = (slots: ModelSlots) => versionsBefore(slots).map(({ release }) => release);

  it('go back to the version that ran before the active one, and keep the one left for last', () => {
    expect(releases(back(committed(1, 2, 3)))).toEqual([2, 1, 3]);
    // 2 was gone back from before 3 came.
    expect(releases(back(committed(1, 2, 1, 3)))).toEqual([1, 3, 2]);
    expect(toGoBackTo(committed(1, 2, 1))).toEqual([]);
    expect(toGoBackTo(back(back(committed(1, 2, 3))))).toEqual([]);
    expect(toGoBackTo(noSlots)).toEqual([]);
  });

  it('leave all that ran after a version when it is gone back to by a commit', () => {
    const slots = committed(1, 2, 3, 1);
    expect(releases(slots)).toEqual([1, 3, 2]);
    expect(toGoBackTo(slots)).toEqual([]);
    expect(servingOrder(slots).map(({ release }) => release)).toEqual([1, 3, 2]);
  });

  it('use the space of what was left first: the versions that ran well are kept', () => {
    expect(releases(committed(1, 2, 3, 2, 4))).toEqual([4, 2, 1]);
  });

  it('do not lead back to what failed since it ran well', () => {
    expect(versionsBefore(committed(1, 2, 3), new Set([ref(2).manifest])).map((one) => one.release)).toEqual([
      1,
    ]);
  });

  it('count a version that was left as any other when it is committed again', () => {
    expect(toGoBackTo(committed(1, 2, 1, 2, 3))).toEqual([2, 1]);
  });

  it('take the best previous version when the active one is dropped', () => {
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
