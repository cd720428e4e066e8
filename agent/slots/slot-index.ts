/**
 * Which slot plays which role, as data, with the moves between roles. Pure; slot-store.ts keeps it on disk. `active` is
 * last-known-good and changes at a commit alone (promise P2): during a trial the version on trial is only pointed at.
 */
import { type Static, Type } from 'typebox';
import { AppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { Digest, ModelName, SemVer } from '../../shared/base/names.ts';
import { jsonParser, parser } from '../../shared/base/parse.ts';

export const SlotRef = Type.Object({
  manifest: Digest,
  version: SemVer,
  release: Type.Integer({ minimum: 1 }),
  /** Execution provider it was qualified on. */
  provider: Type.String({ maxLength: 16 }),
});
export type SlotRef = Static<typeof SlotRef>;

export const ModelSlots = Type.Object({
  active: Type.Optional(SlotRef),
  trial: Type.Optional(SlotRef),
  /** Committed before `active`, the newest first. */
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

export const noSlots: ModelSlots = { previous: [], floor: 0 };

/** What answers requests: the version on trial, else last-known-good. */
export function servingSlot(slots: ModelSlots): SlotRef | undefined {
  return slots.trial ?? slots.active;
}

export function startTrial(slots: ModelSlots, trial: SlotRef): ModelSlots {
  return { ...slots, trial };
}

/** The version on trial becomes last-known-good; the one before it is kept as the newest of `keep` previous ones. */
export function commitTrial(slots: ModelSlots, keep: number): ModelSlots {
  if (slots.trial === undefined) return slots;
  const before = slots.active === undefined ? slots.previous : [slots.active, ...slots.previous];
  return {
    active: slots.trial,
    previous: before.filter((slot) => slot.manifest !== slots.trial!.manifest).slice(0, keep),
    floor: Math.max(slots.floor, slots.trial.release),
  };
}

export function endTrial(slots: ModelSlots): ModelSlots {
  const { trial: _, ...rest } = slots;
  return rest;
}

/**
 * Goes back from the active version to the one before it: of the kept versions with a lower release, the one committed
 * last. A higher one among them was taken back since, and is not what to return to. The version left behind is kept last,
 * so it is the first whose room is used again. Throws `no_previous_version`.
 */
export function goBack(slots: ModelSlots, model: string): ModelSlots {
  const target = versionBefore(slots);
  if (slots.active === undefined || target === undefined) {
    throw new AppError(
      'no_previous_version',
      `Cannot go back with "${model}": no earlier version is kept on this device.`,
    );
  }
  const others = slots.previous.filter((slot) => slot.manifest !== target.manifest);
  return { ...slots, active: target, previous: [...others, slots.active] };
}

export function versionBefore({ active, previous }: ModelSlots): SlotRef | undefined {
  return previous.find((slot) => active !== undefined && slot.release < active.release);
}

/** Leaves a slot that turned out damaged out of every role; the newest of the previous ones takes an empty place. */
export function dropSlot(slots: ModelSlots, manifest: string): ModelSlots {
  const keeps = (slot: SlotRef | undefined) => (slot?.manifest === manifest ? undefined : slot);
  const previous = slots.previous.filter((slot) => slot.manifest !== manifest);
  const trial = keeps(slots.trial);
  const active = keeps(slots.active) ?? previous.shift();
  return { ...(active && { active }), ...(trial && { trial }), previous, floor: slots.floor };
}

/** Whether the device still keeps this version after having committed it: it may go back to it below the floor. */
export function keepsCommitted(slots: ModelSlots, manifest: string): boolean {
  return [slots.active, ...slots.previous].some((slot) => slot?.manifest === manifest);
}
