/**
 * Slots on disk: `slots/<manifest digest>/` holds a version's manifest and artifacts, `state/slots.json` who plays which
 * role. A slot folder appears complete or not at all; its files are hashed again before the slot is served in each life
 * of the agent, and `verify` is the only way to get a `Slot`, so unverified bytes cannot be served (promise P1).
 * Switching versions replaces one small file. Should that file be unreadable, the marks that commits leave in the slots
 * tell the last-known-good version (promise P3).
 */

import { createHash } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Type } from 'typebox';
import { asDiskError, makePrivateFolder, syncFolder, writeFileAtomic } from '../../platform/atomic-file.ts';
import { type WithFreeSpace, withoutReserve } from '../../platform/disk-reserve.ts';
import { sha256OfFile } from '../../platform/file-digest.ts';
import type { Logger } from '../../platform/logger.ts';
import { readRegularFile } from '../../platform/regular-file.ts';
import { listState, makeStateFolder } from '../../platform/state-folder.ts';
import { AppError, errorText } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { ownValue } from '../../shared/base/own-value.ts';
import { jsonParser } from '../../shared/base/parse.ts';
import { SerialQueue } from '../../shared/base/serial-queue.ts';
import { sha256 } from '../../shared/digest/sha256.ts';
import { type ModelManifest, parseManifest } from '../../shared/manifest/model-manifest.ts';
import { checkRoles } from './checked-roles.ts';
import { slotsToRemove } from './garbage-collector.ts';
import type { Slot } from './slot.ts';
import {
  commitTrial,
  dropSlot,
  endTrial,
  goBack,
  keepBest,
  type ModelSlots,
  modelsKept,
  noSlots,
  readSlotIndex,
  type SlotIndex,
  type SlotRef,
  slotIndexBytesMax,
  slotRefs,
  startTrial,
} from './slot-index.ts';

export const manifestFileName = '.manifest.json';
const MARK_FILE = '.committed.json';
const UNFINISHED = '.new';

/** Left in a slot by each commit. `number` grows, so the highest marks last-known-good. */
const CommitMark = Type.Object({
  v: Type.Literal(1),
  number: Type.Integer({ minimum: 1 }),
  provider: Type.String({ maxLength: 16 }),
});
const MARK_BYTES_MAX = 1024;
const parseCommitMark = jsonParser(CommitMark, 'commit mark', MARK_BYTES_MAX);

export interface SlotStoreProps {
  readonly folder: string;
  readonly indexFile: string;
  /** Versions kept besides the active one. */
  readonly keepPrevious: number;
  /** Frees space for what must be written on a full disk. */
  readonly withFreeSpace?: WithFreeSpace | undefined;
  readonly logger: Logger;
}

export class SlotStore {
  readonly #props: SlotStoreProps;
  #index: SlotIndex = { v: 1, models: {} };
  #marks = 0;
  /** The index is one file for all models, whose updates go on side by side. */
  readonly #changes = new SerialQueue();
  /** Slots hashed in this life of the agent. */
  readonly #verified = new Set<string>();
  /** Index was unreadable when loaded, as a whole or in part, and was rebuilt from the slots. */
  wasRebuilt = false;
  /** What the index said that was not so, and was corrected when it was loaded. */
  corrections: readonly string[] = [];
  /** Models whose entries alone were unreadable. */
  damagedEntries: readonly string[] = [];

  constructor(props: SlotStoreProps) {
    this.#props = props;
  }

  /** What was put right in the index when it was loaded, for a person; undefined when it was in order. */
  get repairs(): string | undefined {
    const entries = this.damagedEntries.join(', ');
    const rebuilt = `The index of installed versions was unreadable${entries && ` in its entry of ${entries}`} and was made again from the slots.`;
    const corrected = `The index of installed versions did not fit them and was corrected: ${this.corrections.join(' ')}`;
    const told = [...(this.wasRebuilt ? [rebuilt] : []), ...(this.corrections.length > 0 ? [corrected] : [])];
    return told.length > 0 ? told.join(' ') : undefined;
  }

  get folder(): string {
    return this.#props.folder;
  }

  /** Reads the index; called once, before anything else. */
  async load(): Promise<void> {
    await makeStateFolder(this.#props.folder);
    const marked = await this.#readMarks();
    this.#marks = Math.max(0, ...marked.map((entry) => entry.number));
    const rebuilt = rebuildModels(marked, this.#props.keepPrevious);
    try {
      const { index, damaged } = readSlotIndex(
        await readRegularFile(this.#props.indexFile, slotIndexBytesMax),
      );
      this.#index = index;
      await this.#checkRoles();
      if (damaged.length === 0) return;
      this.damagedEntries = damaged;
      const again = [...rebuilt].filter(([model]) => damaged.includes(model));
      this.#index = { v: 1, models: { ...index.models, ...Object.fromEntries(again) } };
      this.#props.logger.error(
        { models: damaged },
        'entries of the slot index are unreadable; rebuilding them from the slots',
      );
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT' && marked.length === 0) return;
      this.#index = { v: 1, models: Object.fromEntries(rebuilt) };
      this.#props.logger.error(
        { reason: errorText(error) },
        'slot index is unreadable; rebuilding it from the slots',
      );
    }
    this.wasRebuilt = true;
    await this.#write(this.#index).catch((error) =>
      this.#props.logger.error({ reason: errorText(error) }, 'rebuilt slot index could not be stored'),
    );
  }

  async #checkRoles(): Promise<void> {
    const refs = Object.values(this.#index.models).flatMap(slotRefs);
    const manifests = new Map<string, ModelManifest>();
    for (const { manifest } of refs) {
      const read = await this.#readManifest(manifest).catch(() => undefined);
      if (read) manifests.set(manifest, read);
    }
    const checked = Object.entries(this.#index.models).map(
      ([model, slots]) => [model, checkRoles(model, slots, (manifest) => manifests.get(manifest))] as const,
    );
    this.corrections = checked.flatMap(([, { corrections }]) => corrections);
    if (this.corrections.length === 0) return;
    this.#props.logger.error({ corrections: this.corrections }, 'slot index did not fit the slots');
    const models = Object.fromEntries(checked.map(([model, { slots }]) => [model, slots]));
    this.#index = { v: 1, models };
    await this.#write(this.#index).catch((error) =>
      this.#props.logger.error({ reason: errorText(error) }, 'corrected slot index could not be stored'),
    );
  }

  /** Models of which a version is here; of one that was given up the floor alone is known. */
  models(): readonly string[] {
    return modelsKept(this.#index);
  }

  of(model: string): ModelSlots {
    return ownValue(this.#index.models, model) ?? noSlots;
  }

  /** Manifest digests of the complete slots on disk. */
  async onDisk(): Promise<readonly string[]> {
    return (await listState(this.#props.folder, 'folders')).filter((name) => /^[0-9a-f]{64}$/.test(name));
  }

  /**
   * The slot, after each of its files was found to have its digest in this life of the agent. Throws `slot_damaged`.
   */
  async verify(manifestSha256: string): Promise<Slot> {
    const folder = join(this.#props.folder, manifestSha256);
    const manifest = await this.#readManifest(manifestSha256);
    if (!this.#verified.has(manifestSha256)) {
      for (const file of manifest.files) {
        const found = await sha256OfFile(join(folder, file.path)).catch((error) => errorText(error));
        if (found !== file.sha256) {
          throw damaged(manifest, `file "${file.path}" has digest "${found}", expected "${file.sha256}"`);
        }
      }
      this.#verified.add(manifestSha256);
    }
    const { model, version, release } = manifest;
    return { model, version, release, manifestSha256, manifest, folder };
  }

  /** Installs a version from its chunks. Throws `artifact_digest_mismatch`, `disk_full`, and what `readChunk` throws. */
  async install(
    manifestBytes: Uint8Array,
    readChunk: (digest: string) => Promise<Uint8Array>,
    signal: AbortSignal,
  ): Promise<Slot> {
    const manifestSha256 = sha256(manifestBytes);
    const manifest = parseManifest(manifestBytes);
    const whole = await this.verify(manifestSha256).catch(() => undefined);
    if (whole) return whole;
    const folder = join(this.#props.folder, manifestSha256);
    const unfinished = `${folder}${UNFINISHED}`;
    await rm(unfinished, { recursive: true, force: true });
    await makePrivateFolder(unfinished);
    await this.#writeFiles(manifest, unfinished, readChunk, signal).catch(async (error: unknown) => {
      // What is half done takes space that the running version may need.
      await rm(unfinished, { recursive: true, force: true });
      throw asDiskError(error, unfinished);
    });
    await writeFileAtomic(join(unfinished, manifestFileName), manifestBytes);
    await rm(folder, { recursive: true, force: true });
    await rename(unfinished, folder);
    await syncFolder(this.#props.folder);
    return this.verify(manifestSha256);
  }

  async #writeFiles(
    manifest: ModelManifest,
    folder: string,
    readChunk: (digest: string) => Promise<Uint8Array>,
    signal: AbortSignal,
  ): Promise<void> {
    for (const file of manifest.files) {
      const found = await writeFromChunks(join(folder, file.path), file.chunks, readChunk, signal);
      if (found === file.sha256) continue;
      throw new AppError(
        'artifact_digest_mismatch',
        `Cannot install "${manifest.model}" ${manifest.version}: "${file.path}" has digest "${found}", and the manifest names "${file.sha256}".`,
      );
    }
  }

  /** Points at a verified slot as the one on trial. */
  async startTrial(model: string, slot: SlotRef): Promise<void> {
    await this.verify(slot.manifest);
    await this.#change(model, (slots) => startTrial(slots, slot));
  }

  async commit(model: string): Promise<void> {
    const { trial } = this.of(model);
    if (trial) await this.#mark(trial);
    await this.#change(model, (slots) => commitTrial(slots, this.#props.keepPrevious));
  }

  /** Forgets the version on trial; last-known-good was never touched. */
  async endTrial(model: string): Promise<void> {
    await this.#change(model, endTrial);
  }

  /** Makes a version that is kept last-known-good again. */
  async goBack(model: string, ref: SlotRef): Promise<void> {
    await this.#mark(ref);
    await this.#change(model, (slots) => goBack(slots, ref.manifest));
  }

  /** Takes a damaged slot out of use and off the disk. */
  async drop(model: string, manifestSha256: string): Promise<void> {
    this.#verified.delete(manifestSha256);
    await this.#change(model, (slots) => dropSlot(slots, manifestSha256));
    await rm(join(this.#props.folder, manifestSha256), { recursive: true, force: true });
  }

  /** Deletes every version of a model. Its floor stays: what is fetched again later may be no lower release. */
  async discard(model: string): Promise<void> {
    const refs = slotRefs(this.of(model));
    await this.#change(model, ({ floor }) => ({ ...noSlots, floor }));
    for (const { manifest } of refs) {
      this.#verified.delete(manifest);
      await rm(join(this.#props.folder, manifest), { recursive: true, force: true });
    }
  }

  /** Removes slots nothing points at, and leftovers of installs that did not end. Returns how many slots went. */
  async collect(pinned: ReadonlySet<string>): Promise<number> {
    const names = await listState(this.#props.folder, 'folders');
    const unfinished = names.filter(
      (name) => name.endsWith(UNFINISHED) && !pinned.has(name.slice(0, -UNFINISHED.length)),
    );
    const unused = slotsToRemove({ index: this.#index, onDisk: await this.onDisk(), pinned });
    for (const name of [...unfinished, ...unused]) {
      this.#verified.delete(name);
      await rm(join(this.#props.folder, name), { recursive: true, force: true });
    }
    return unused.length;
  }

  #change(model: string, change: (slots: ModelSlots) => ModelSlots): Promise<void> {
    return this.#changes.run(async () => {
      const models = { ...this.#index.models, [model]: change(this.of(model)) };
      await this.#write({ v: 1, models });
    });
  }

  async #write(index: SlotIndex): Promise<void> {
    const { indexFile, withFreeSpace = withoutReserve } = this.#props;
    await withFreeSpace(() => writeFileAtomic(indexFile, JSON.stringify(index)));
    this.#index = index;
  }

  async #mark(slot: SlotRef): Promise<void> {
    this.#marks += 1;
    const mark = JSON.stringify({ v: 1, number: this.#marks, provider: slot.provider });
    const { folder, withFreeSpace = withoutReserve } = this.#props;
    await withFreeSpace(() => writeFileAtomic(join(folder, slot.manifest, MARK_FILE), mark));
  }

  async #readMarks(): Promise<readonly MarkedSlot[]> {
    const marked: MarkedSlot[] = [];
    for (const digest of await this.onDisk()) {
      try {
        const mark = parseCommitMark(
          await readRegularFile(join(this.#props.folder, digest, MARK_FILE), MARK_BYTES_MAX),
        );
        const { model, version, release } = await this.#readManifest(digest);
        marked.push({
          model,
          number: mark.number,
          ref: { manifest: digest, version, release, provider: mark.provider },
        });
      } catch {
        // Never committed, or not readable: not a version to go back to.
      }
    }
    return marked;
  }

  async #readManifest(manifestSha256: string): Promise<ModelManifest> {
    const path = join(this.#props.folder, manifestSha256, manifestFileName);
    const bytes = await readRegularFile(path, limits.manifestBytesMax).catch((cause) => {
      throw new AppError(
        'slot_damaged',
        `Cannot use slot "${manifestSha256}": its manifest cannot be read.`,
        { cause },
      );
    });
    if (sha256(bytes) !== manifestSha256) {
      throw new AppError(
        'slot_damaged',
        `Cannot use slot "${manifestSha256}": its manifest changed after installation.`,
      );
    }
    return parseManifest(bytes);
  }
}

interface MarkedSlot {
  readonly model: string;
  readonly number: number;
  readonly ref: SlotRef;
}

/**
 * Last committed is active, those before it are previous. One with a higher release than one committed after it was left. A
 * trial under way is forgotten: it was not proven.
 */
function rebuildModels(marked: readonly MarkedSlot[], keepPrevious: number): ReadonlyMap<string, ModelSlots> {
  const models = new Map<string, ModelSlots>();
  for (const { model, ref } of [...marked].sort((a, b) => b.number - a.number)) {
    const slots = models.get(model);
    if (slots === undefined) models.set(model, { active: ref, previous: [], floor: ref.release });
    else {
      const wasLeft = [slots.active!, ...slots.previous].some((later) => later.release < ref.release);
      const previous = [...slots.previous, wasLeft ? { ...ref, left: true } : ref];
      models.set(model, { ...slots, previous, floor: Math.max(slots.floor, ref.release) });
    }
  }
  for (const [model, slots] of models) models.set(model, keepBest(slots, keepPrevious));
  return models;
}

function damaged(manifest: ModelManifest, what: string): AppError {
  return new AppError('slot_damaged', `Cannot serve "${manifest.model}" ${manifest.version}: ${what}.`);
}

async function writeFromChunks(
  path: string,
  chunks: readonly string[],
  readChunk: (digest: string) => Promise<Uint8Array>,
  signal: AbortSignal,
): Promise<string> {
  const hash = createHash('sha256');
  const file = await open(path, 'wx', 0o600);
  try {
    for (const digest of chunks) {
      signal.throwIfAborted();
      const bytes = await readChunk(digest);
      hash.update(bytes);
      await file.writeFile(bytes);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return hash.digest('hex');
}
