/**
 * Which slot plays which role, as data, with the moves between roles. Pure; slot-store.ts keeps it on disk. `active` is
 * last-known-good and changes at a commit alone (promise P2): during a trial the version on trial is only pointed at.
 */
import { type Static, Type } from 'typebox';
import { limits } from '../../shared/base/limits.ts';
import { Digest, ModelName, SemVer } from '../../shared/base/names.ts';
import { jsonParser, parser } from '../../shared/base/parse.ts';

export const SlotRef = Type.Object({
  manifest: Digest,
  version: SemVer,
  release: Type.Integer({ minimum: 1 }),
  /** Execution provider it was qualified on. */
  provider: Type.String({ maxLength: 16 }),
  /** Among `previous`: it was gone back from, so it is not what to go back to. */
  left: Type.Optional(Type.Boolean()),
});
export type SlotRef = Static<typeof SlotRef>;

export const ModelSlots = Type.Object({
  active: Type.Optional(SlotRef),
  trial: Type.Optional(SlotRef),
  /** Committed before `active`: those that ran well first, of them the one that ran last; then those that were left. */
  previous: Type.Array(SlotRef, { maxItems: 16 }),
  /** Highest release ever committed here: the anti-rollback floor. */
  floor: Type.Integer({ minimum: 0 }),
});
export type ModelSlots = Static<typeof ModelSlots>;

export interface SlotIndex {
  readonly v: 1;
  readonly models: Readonly<Record<string, ModelSlots>>;
}

export const slotIndexBytesMax = limits.controlMessageBytesMax;
const parseIndexFile = jsonParser(
  Type.Object({ v: Type.Literal(1), models: Type.Object({}) }),
  'slot index',
  slotIndexBytesMax,
);
const parseEntry = parser(Type.Object({ model: ModelName, slots: ModelSlots }), 'entry of the slot index');

/**
 * The index in a file's bytes. An entry that cannot be read costs its model alone: it is left out and named in `damaged`.
 * Throws `bad_input` and `too_large` when the whole cannot be read.
 */
export function readSlotIndex(bytes: Uint8Array): {
  readonly index: SlotIndex;
  readonly damaged: readonly string[];
} {
  const models = new Map<string, ModelSlots>();
  const damaged: string[] = [];
  for (const [model, slots] of Object.entries(parseIndexFile(bytes).models)) {
    try {
      models.set(model, parseEntry({ model, slots }).slots);
    } catch {
      damaged.push(model);
    }
  }
  return { index: { v: 1, models: Object.fromEntries(models) }, damaged };
}

/** Models of which a version is kept; of one that was given up the floor alone is. */
export function modelsKept({ models }: SlotIndex): readonly string[] {
  return Object.entries(models)
    .filter(([, slots]) => slotRefs(slots).length > 0)
    .map(([model]) => model);
}

/** Every slot of a model, whatever its role. */
export function slotRefs({ active, trial, previous }: ModelSlots): readonly SlotRef[] {
  return [active, trial, ...previous].filter((slot) => slot !== undefined);
}

export const noSlots: ModelSlots = { previous: [], floor: 0 };

/** What answers requests: the version on trial, else last-known-good. */
export function servingSlot(slots: ModelSlots): SlotRef | undefined {
  return slots.trial ?? slots.active;
}

export function startTrial(slots: ModelSlots, trial: SlotRef): ModelSlots {
  return { ...slots, trial };
}

/** The version on trial becomes last-known-good; `keep` of those that ran before are kept. */
export function commitTrial(slots: ModelSlots, keep: number): ModelSlots {
  return slots.trial === undefined ? slots : runFrom(endTrial(slots), slots.trial, keep);
}

/**
 * Makes `next` active. Versions form a line in the order in which they ran: a new one comes to its end; one that is in the line
 * already is gone back to, and what ran after it is left, so that the next rollback does not go there. What was left is the
 * first whose space is reused.
 */
function runFrom(slots: ModelSlots, next: SlotRef, keep: number): ModelSlots {
  const { active, previous, floor } = slots;
  const ran = active === undefined ? previous : [active, ...previous];
  const isNext = (slot: SlotRef) => slot.manifest === next.manifest;
  const at = ran.findIndex((slot) => isNext(slot) && !slot.left);
  const kept = ran
    .map((slot, i) => (i < at ? { ...slot, left: true } : slot))
    .filter((slot) => !isNext(slot));
  const after = { active: asRunning(next), previous: kept, floor: Math.max(floor, next.release) };
  return keepBest(after, keep);
}

/** Keeps `keep` previous versions, those that were left last. */
export function keepBest(slots: ModelSlots, keep: number): ModelSlots {
  const ranWell = slots.previous.filter((slot) => !slot.left);
  const left = slots.previous.filter((slot) => slot.left);
  return { ...slots, previous: [...ranWell, ...left].slice(0, keep) };
}

export function endTrial(slots: ModelSlots): ModelSlots {
  const { trial: _, ...rest } = slots;
  return rest;
}

/** Goes back to a version that is kept; as it is when it is not. */
export function goBack(slots: ModelSlots, manifest: string): ModelSlots {
  const target = slots.previous.find((slot) => slot.manifest === manifest);
  return target === undefined ? slots : runFrom(slots, target, slots.previous.length);
}

/**
 * Versions to go back to from the active one, the best first: those that ran before it and were not left since. `quarantined` are
 * versions that failed here after they had run well.
 */
export function versionsBefore(
  slots: ModelSlots,
  quarantined: ReadonlySet<string> = new Set(),
): readonly SlotRef[] {
  return slots.previous.filter((slot) => !slot.left && !quarantined.has(slot.manifest));
}

/** Versions that can be served when it comes to that, the best first: one that was left is better than none. */
export function servingOrder({ active, previous }: ModelSlots): readonly SlotRef[] {
  return active === undefined ? previous : [active, ...previous];
}

/** Leaves a slot that turned out damaged out of every role; the best of the previous ones takes an empty place. */
export function dropSlot(slots: ModelSlots, manifest: string): ModelSlots {
  const keeps = (slot: SlotRef | undefined) => (slot?.manifest === manifest ? undefined : slot);
  const previous = slots.previous.filter((slot) => slot.manifest !== manifest);
  const trial = keeps(slots.trial);
  const active = keeps(slots.active) ?? asRunning(previous.shift());
  return { ...(active && { active }), ...(trial && { trial }), previous, floor: slots.floor };
}

function asRunning<T extends SlotRef | undefined>(slot: T): T {
  if (slot === undefined) return slot;
  const { left: _, ...rest } = slot;
  return rest as T;
}

/** Whether the device still keeps this version after having committed it: it may go back to it below the floor. */
export function keepsCommitted(slots: ModelSlots, manifest: string): boolean {
  return [slots.active, ...slots.previous].some((slot) => slot?.manifest === manifest);
}
