/**
 * Devices that hold on to a version by what they last said of themselves: they run it, keep it to roll back to, or are about to
 * take it. One that has said nothing holds on to every version that was there when it was enrolled: after a restore nobody knows
 * what it runs. The device found last is asked first, so that a fleet is walked once for each that lets go.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { DeviceStore } from './device-store.ts';
import { reportedOf } from './device-view.ts';

export interface HeldVersion {
  readonly model: string;
  readonly version: string;
  readonly manifestSha256: string;
  /** Since when nobody is given it any more, milliseconds since the epoch. */
  readonly knownAt: number;
}

const PAGE = 500;
/** Versions of which the last holder is remembered. */
const REMEMBERED_MAX = 1_000;

export class DeviceHolders {
  readonly #store: DeviceStore;
  /** By manifest digest, the device that held it last. */
  readonly #last = new Map<string, string>();

  constructor(store: DeviceStore) {
    this.#store = store;
  }

  async holderOf(version: HeldVersion): Promise<string | undefined> {
    const { manifestSha256 } = version;
    const last = this.#last.get(manifestSha256);
    if (last !== undefined && (await this.#holds(last, version))) return `device/${last}`;
    const found =
      (await this.#walk(version, last ?? '')) ??
      (last === undefined ? undefined : await this.#walk(version, ''));
    this.#last.delete(manifestSha256);
    if (found === undefined) return undefined;
    const [oldest] = this.#last.keys();
    if (this.#last.size >= REMEMBERED_MAX && oldest !== undefined) this.#last.delete(oldest);
    this.#last.set(manifestSha256, found);
    return `device/${found}`;
  }

  /** The first device after id `after` that holds it. */
  async #walk(version: HeldVersion, after: string): Promise<string | undefined> {
    for (let from = after; ; ) {
      const page = await this.#store.mayHold(version, { after: from, limit: PAGE });
      for (const { id, mayHold } of page) {
        if (mayHold && (await this.#holds(id, version))) return id;
      }
      if (page.length < PAGE) return undefined;
      from = page.at(-1)!.id;
      await nextTurn();
    }
  }

  async #holds(id: string, { model, version, manifestSha256, knownAt }: HeldVersion): Promise<boolean> {
    const row = await this.#store.find(id);
    if (!row || row.revoked_at !== null) return false;
    const reported = reportedOf(row);
    if (reported === undefined) return row.enrolled_at <= knownAt;
    return reported.models.some(
      (entry) =>
        [entry.active, ...entry.previous].some((one) => one?.manifest === manifestSha256) ||
        (entry.model === model && entry.update?.version === version),
    );
  }
}
