import { describe, expect, it } from 'vitest';
import { checkRoles } from '../../../../agent/slots/checked-roles.ts';
import {
  commitTrial,
  type ModelSlots,
  noSlots,
  type SlotRef,
  startTrial,
} from '../../../../agent/slots/slot-index.ts';

const ref = (release: number): SlotRef => ({
  manifest: String(release).repeat(64),
  version: `${release}.0.0`,
  release,
  provider: 'cpu',
});
const committed = [1, 2, 3].reduce<ModelSlots>(
  (slots, release) => commitTrial(startTrial(slots, ref(release)), 2),
  noSlots,
);
const truth = (manifest: string) => {
  const release = Number(manifest[0]);
  return { model: 'm', version: `${release}.0.0`, release };
};

describe('checkRoles', () => {
  it('leaves an index alone that says what the manifests say', () => {
    expect(checkRoles('m', committed, truth)).toEqual({ slots: committed, corrections: [] });
  });

  it('takes version and release from the manifest, and tells what the index said', () => {
    const edited = { ...committed, active: { ...ref(3), version: '9.9.9', release: 99 } };
    const { slots, corrections } = checkRoles('m', edited, truth);
    expect(slots).toEqual(committed);
    expect(corrections).toEqual(['"m" 9.9.9 (release 99) is 3.0.0 (release 3) in truth.']);
  });

  it('lets nobody lower the floor below what is committed', () => {
    const { slots, corrections } = checkRoles('m', { ...committed, floor: 0 }, truth);
    expect(slots.floor).toBe(3);
    expect(corrections).toHaveLength(1);
  });

  it('leaves out what belongs to another model, and what is kept without a manifest', () => {
    const labels = (manifest: string) => {
      if (manifest.startsWith('3')) return { model: 'other', version: '3.0.0', release: 3 };
      return manifest.startsWith('1') ? undefined : truth(manifest);
    };
    const { slots, corrections } = checkRoles('m', committed, labels);
    expect(slots).toMatchObject({ active: { version: '2.0.0' }, previous: [] });
    expect(corrections).toHaveLength(2);
  });

  it('leaves last-known-good where it is until it is served, whatever cannot be read (promise P2)', () => {
    const { slots } = checkRoles('m', committed, () => undefined);
    expect(slots.active).toEqual(committed.active);
  });
});
