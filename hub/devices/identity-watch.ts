/**
 * Finds devices whose identity two agents use, such as a data folder that was copied: each start of an agent has a number
 * of its own, and one that comes back after another has connected is alive beside it. A restart, a lost line or a
 * changed address never looks like that. Pure but for what it remembers.
 */
import { limits } from '../../shared/base/limits.ts';
import type { ConnectedAgent } from '../broker/broker.ts';

export interface SharedIdentity {
  /** When it was last seen, milliseconds since the epoch. */
  readonly at: number;
  readonly addresses: readonly string[];
}

interface Seen {
  readonly instance: string;
  readonly address: string;
  readonly at: number;
}

export class IdentityWatch {
  /** Starts by device, the one that connected last at the end; devices likewise. */
  readonly #seen = new Map<string, readonly Seen[]>();
  readonly #shared = new Map<string, SharedIdentity>();

  /** An agent connected as the device. What is found, when it came back after another one. */
  connected(
    deviceId: string,
    { instance, address = 'unknown' }: ConnectedAgent,
    nowMs: number,
  ): SharedIdentity | undefined {
    if (instance === undefined) return undefined;
    const before = (this.#seen.get(deviceId) ?? []).filter(({ at }) => nowMs - at < limits.identitySharedMs);
    const others = before.filter((seen) => seen.instance !== instance);
    const cameBack = others.length < before.length && before.at(-1)?.instance !== instance;
    const starts = [...others, { instance, address, at: nowMs }].slice(-limits.agentsPerIdentityMax);
    this.#seen.delete(deviceId);
    this.#seen.set(deviceId, starts);
    this.#forgetOldest();
    if (!cameBack) return undefined;
    const found = { at: nowMs, addresses: [...new Set(starts.map((seen) => seen.address))] };
    this.#shared.set(deviceId, found);
    return found;
  }

  /** Undefined when nothing was found, or not for `limits.identitySharedMs`. */
  shared(deviceId: string, nowMs: number): SharedIdentity | undefined {
    const found = this.#shared.get(deviceId);
    if (!found || nowMs - found.at < limits.identitySharedMs) return found;
    this.#shared.delete(deviceId);
    return undefined;
  }

  /** The device was removed or enrolled anew: what was seen is of another identity. */
  forget(deviceId: string): void {
    this.#seen.delete(deviceId);
    this.#shared.delete(deviceId);
  }

  #forgetOldest(): void {
    for (const deviceId of this.#seen.keys()) {
      if (this.#seen.size <= limits.connectionsMax) return;
      this.forget(deviceId);
    }
  }
}
