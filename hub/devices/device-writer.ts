/**
 * Stores what devices say of themselves, many messages in one transaction, together with what follows from it: a rollout handles an event
 * in the transaction that stores it, so that there is no event without its effect.
 */
import type { Transaction } from 'kysely';
import { limits } from '../../shared/base/limits.ts';
import type { ReportedState } from '../../shared/protocol/reported-state.ts';
import type { UpdateEvent } from '../../shared/protocol/update-event.ts';
import type { Tables } from '../db/tables.ts';
import type { Entry, EntryWriter } from '../inbox/device-inbox.ts';
import type { DeviceStore } from './device-store.ts';

export type InboxMessage =
  | { readonly kind: 'event'; readonly event: UpdateEvent; readonly at: number }
  | { readonly kind: 'reported'; readonly reported: ReportedState; readonly at: number }
  /** The device was connected at that time, or still is. */
  | { readonly kind: 'seen'; readonly at: () => number | undefined };

/** Called inside the transaction that stores what was received, and must use it; what it throws refuses the message. */
export type EventListener = (deviceId: string, event: UpdateEvent, tx: Transaction<Tables>) => Promise<void>;
export type ReportedListener = (
  deviceId: string,
  reported: ReportedState,
  tx: Transaction<Tables>,
) => Promise<void>;

export class DeviceWriter implements EntryWriter<InboxMessage> {
  readonly eventListeners: EventListener[] = [];
  readonly reportedListeners: ReportedListener[] = [];
  /** Called with the last report of each device once it is committed. */
  onStored: (deviceId: string, reported: ReportedState) => void = () => undefined;
  readonly #store: DeviceStore;
  /** How many events of a device may be stored before its oldest are dropped; those of a device that it lacks are counted. */
  readonly #freeEvents = new Map<string, number>();

  constructor(store: DeviceStore) {
    this.#store = store;
  }

  async write(entries: readonly Entry<InboxMessage>[], tx: Transaction<Tables>): Promise<() => void> {
    const lastReports = new Map<string, InboxMessage>();
    for (const { deviceId, body } of entries) if (body.kind === 'reported') lastReports.set(deviceId, body);
    const stored = new Map<string, ReportedState>();
    const added = new Map<string, number>();
    const speakers = entries.filter(({ body }) => body.kind === 'event').map(({ deviceId }) => deviceId);
    // What was on its way when its device was removed is nobody's.
    const present = await this.#store.groupsOf([...new Set(speakers)], tx);
    for (const { deviceId, body } of entries) {
      if (body.kind === 'event') {
        if (present.has(deviceId) && (await this.#event(deviceId, body, tx))) {
          added.set(deviceId, (added.get(deviceId) ?? 0) + 1);
        }
      } else if (body.kind === 'seen') {
        await this.#seen(deviceId, body, tx);
      } else if (body === lastReports.get(deviceId)) {
        // The next report of a device says everything that the one before it said.
        if (await this.#reported(deviceId, body, tx)) stored.set(deviceId, body.reported);
      }
    }
    const free = new Map<string, number>();
    for (const [deviceId, count] of added) free.set(deviceId, await this.#trimEvents(deviceId, count, tx));
    return () => {
      if (this.#freeEvents.size > limits.connectionsMax) this.#freeEvents.clear();
      for (const [deviceId, left] of free) this.#freeEvents.set(deviceId, left);
      for (const [deviceId, reported] of stored) this.onStored(deviceId, reported);
    };
  }

  /** Holds the bound of a device's events after `added` more of them; returns how many may follow. */
  async #trimEvents(deviceId: string, added: number, tx: Transaction<Tables>): Promise<number> {
    const known = this.#freeEvents.get(deviceId);
    const left =
      known === undefined
        ? limits.eventsKeptPerDeviceMax - (await this.#store.countEvents(deviceId, tx))
        : known - added;
    if (left >= 0) return left;
    await this.#store.trimEvents(deviceId, tx);
    return limits.eventsDroppedAtOnce;
  }

  /** False when it was stored before: then everything that follows from it was, too. */
  async #event(
    deviceId: string,
    { event, at }: InboxMessage & { kind: 'event' },
    tx: Transaction<Tables>,
  ): Promise<boolean> {
    if (!(await this.#store.addEvent(deviceId, event, at, tx))) return false;
    for (const listener of this.eventListeners) await listener(deviceId, event, tx);
    return true;
  }

  /** False when there is no such device any more. */
  async #reported(
    deviceId: string,
    { reported, at }: InboxMessage & { kind: 'reported' },
    tx: Transaction<Tables>,
  ): Promise<boolean> {
    const values = { reported: JSON.stringify(reported), reported_at: at, last_seen_at: at };
    if (!(await this.#store.update(deviceId, values, tx))) return false;
    for (const listener of this.reportedListeners) await listener(deviceId, reported, tx);
    return true;
  }

  async #seen(
    deviceId: string,
    { at }: InboxMessage & { kind: 'seen' },
    tx: Transaction<Tables>,
  ): Promise<void> {
    const lastSeenAt = at();
    if (lastSeenAt !== undefined) await this.#store.update(deviceId, { last_seen_at: lastSeenAt }, tx);
  }
}
