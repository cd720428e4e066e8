/**
 * The devices of the hub: who they are, who is connected, what they last reported. Other parts ask here and listen here.
 * What a device sends is stored before the promise of its handler resolves (promise P4); what does not fit its schema
 * is logged and dropped, because sending it again would not make it better.
 */

import type { Transaction } from 'kysely';
import { LimitedLog } from '../../platform/limited-log.ts';
import type { Logger } from '../../platform/logger.ts';
import type { Device, DeviceSummary } from '../../shared/api/devices.ts';
import { AppError, isAppError } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import type { DeviceFacts } from '../../shared/protocol/enrolment.ts';
import type { HubCommand } from '../../shared/protocol/hub-command.ts';
import { parsePresence, parseReportedState } from '../../shared/protocol/reported-state.ts';
import { topics } from '../../shared/protocol/topics.ts';
import { parseUpdateEvent } from '../../shared/protocol/update-event.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import type { ConnectedAgent } from '../broker/broker.ts';
import type { Tables } from '../db/tables.ts';
import { type Actor, auditActor } from '../http/request-actor.ts';
import type { DeviceInbox } from '../inbox/device-inbox.ts';
import type { RefusalListener } from '../security/refusal.ts';
import type { DeviceConnections } from './device-connections.ts';
import type {
  DeviceFilter,
  DevicePagePlace,
  DevicePosition,
  DeviceRow,
  DeviceStore,
  GroupCount,
  ScannedDevice,
} from './device-store.ts';
import {
  type DeviceReport,
  describe,
  type Presence,
  reportedOf,
  reportOf,
  summarize,
} from './device-view.ts';

import {
  DeviceWriter,
  type EventListener,
  type InboxMessage,
  type ReportedListener,
} from './device-writer.ts';
import { FleetCensus } from './fleet-census.ts';
import { IdentityWatch, type SharedIdentity } from './identity-watch.ts';
import type { RemovedListener } from './removed-listener.ts';

const EVENTS_SHOWN = 50;
/** Parsing a page must not hold up the event loop. */
const CENSUS_PAGE = 100;

export interface DeviceServiceProps {
  readonly store: DeviceStore;
  readonly inbox: Pick<DeviceInbox, 'store' | 'note'>;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly refusals?: RefusalListener;
  readonly connections: DeviceConnections;
}

export interface AdmittedDevice {
  readonly id: string;
  readonly group: string;
  readonly facts: DeviceFacts;
  readonly certificate: { readonly serial: string; readonly sha256: string; readonly expiresAt: number };
}

export class DeviceService {
  readonly #props: DeviceServiceProps;
  readonly #log: LimitedLog;
  readonly #writer: DeviceWriter;
  readonly #removedListeners: RemovedListener[] = [];
  /** Milliseconds since the epoch; in memory, because writing it with each message would cost more than it tells. */
  readonly #lastSeenAt = new Map<string, number>();
  /** What of it is on its way to the database. */
  readonly #seenToStore = new Map<string, number>();
  readonly #identities = new IdentityWatch();
  /** What devices run by their last reports. */
  readonly census = new FleetCensus();

  constructor(props: DeviceServiceProps) {
    this.#props = props;
    this.#log = new LimitedLog({ logger: props.logger, monotonic: () => props.clock.monotonic() });
    this.#writer = new DeviceWriter(props.store);
    this.#writer.onStored = (deviceId, reported) => this.census.reported(deviceId, reported);
  }

  /** Undefined when there is no such device, or it was removed. */
  async get(id: string): Promise<DeviceSummary | undefined> {
    const row = await this.#find(id);
    return row && summarize(row, this.#presence(row));
  }

  /** Devices in the order of a list, each with whether it fits: `limit` bounds what is read, not what fits. */
  async scan(
    { connected, ...filter }: DeviceFilter & { readonly connected?: boolean },
    place: DevicePagePlace,
  ): Promise<ScannedDevice[]> {
    const { store, connections } = this.#props;
    const places = await store.scan(filter, place);
    if (connected === undefined) return places;
    return places.map((one) => ({ ...one, fits: one.fits && connections.isConnected(one.id) === connected }));
  }

  /** Those of these ids that are devices of the hub, in the order of the ids. */
  async summaries(ids: readonly string[]): Promise<DeviceSummary[]> {
    return (await this.#props.store.pick(ids)).map((row) => summarize(row, this.#presence(row)));
  }

  /** What the device last said of itself; undefined when there is no such device, or it was removed. */
  async report(id: string): Promise<DeviceReport | undefined> {
    const row = await this.#find(id);
    return row && reportOf(row);
  }

  /** What devices last said of themselves, in order of id. */
  async reports(position: DevicePosition): Promise<DeviceReport[]> {
    return (await this.#props.store.after(position)).map(reportOf);
  }

  groups(page: DevicePagePlace): Promise<GroupCount[]> {
    return this.#props.store.groups(page);
  }

  /** Ids of the group, of all devices when it is undefined; removed ones are left out. */
  idsInGroup(group: string | undefined): Promise<string[]> {
    return this.#props.store.idsInGroup(group);
  }

  /** Throws `not_found`. */
  async view(id: string): Promise<Device> {
    const row = await this.#find(id);
    if (!row) throw notFound('show', id);
    return describe(row, this.#presence(row), await this.#props.store.events(id, EVENTS_SHOWN));
  }

  /** Those of these ids that are devices of the hub. */
  groupsOf(ids: readonly string[], tx: Transaction<Tables>): Promise<ReadonlyMap<string, string>> {
    return this.#props.store.groupsOf(ids, tx);
  }

  /** Called by enrolment before its transaction: much may be left of a removed device of that id, which takes more than one. */
  async clear(id: string): Promise<void> {
    const existing = await this.#props.store.find(id);
    if (existing === undefined || existing.revoked_at === null) return;
    for (const { clear } of this.#removedListeners) await clear?.(id);
  }

  /** Called by enrolment, inside its transaction. Throws `device_exists`; the id of a removed device is free again. */
  async admit({ id, group, facts, certificate }: AdmittedDevice, tx: Transaction<Tables>): Promise<void> {
    const { store, clock } = this.#props;
    const existing = await store.find(id, tx);
    if (existing && existing.revoked_at === null) {
      throw new AppError('device_exists', `Cannot enrol "${id}": a device with this id already exists.`);
    }
    const row: DeviceRow = {
      id,
      device_group: group,
      certificate_serial: certificate.serial,
      certificate_sha256: certificate.sha256,
      certificate_expires_at: certificate.expiresAt,
      facts: JSON.stringify(facts),
      enrolled_at: clock.now(),
      revoked_at: null,
      last_seen_at: null,
      reported: null,
      reported_at: null,
    };
    await store.admit(row, tx);
    if (existing) for (const { clearWithin } of this.#removedListeners) await clearWithin?.(id, tx);
    this.#identities.forget(id);
    this.#lastSeenAt.delete(id);
  }

  /** Whether the holder of this certificate may connect: it must be the one certificate the device has now. */
  async isAdmitted(id: string, certificateSha256: string): Promise<boolean> {
    return (await this.#find(id))?.certificate_sha256 === certificateSha256;
  }

  /** Throws `not_found`. */
  async move(id: string, group: string, actor: Actor): Promise<void> {
    const { store, audit } = this.#props;
    await store.transaction(async (tx) => {
      const row = await store.find(id, tx);
      if (!row || row.revoked_at !== null) throw notFound('move', id);
      await store.update(id, { device_group: group }, tx);
      await audit.append(
        {
          ...auditActor(actor),
          action: 'device.moved',
          target: `device/${id}`,
          details: { from: row.device_group, to: group },
        },
        tx,
      );
    });
  }

  /**
   * Revokes the device: its connection is closed at once and its certificate refused from then on. What the other parts know of
   * it goes with it, so that a machine that is enrolled under its id later begins with nothing. Throws `not_found`.
   */
  async remove(id: string, actor: Actor): Promise<void> {
    const { store, audit, clock, connections } = this.#props;
    await store.transaction(async (tx) => {
      const now = clock.now();
      if (!(await store.update(id, { revoked_at: now }, tx))) {
        throw notFound('remove', id);
      }
      await store.forgetEvents(id, tx);
      for (const { remove } of this.#removedListeners) await remove(id, now, tx);
      await audit.append({ ...auditActor(actor), action: 'device.removed', target: `device/${id}` }, tx);
    });
    connections.disconnect(id);
    this.#identities.forget(id);
    this.#lastSeenAt.delete(id);
    this.census.removed(id);
    for (const { removed } of this.#removedListeners) await removed(id);
  }

  /** `listener` receives each event once, in the transaction that stores it. */
  onEvent(listener: EventListener): void {
    this.#writer.eventListeners.push(listener);
  }

  /** `listener` receives reports in the transaction that stores them; of several in one transaction, the last of a device. */
  onReported(listener: ReportedListener): void {
    this.#writer.reportedListeners.push(listener);
  }

  onRemoved(listener: RemovedListener): void {
    this.#removedListeners.push(listener);
  }

  async receiveReported(deviceId: string, payload: Uint8Array): Promise<void> {
    const reported = this.#parse(deviceId, 'reported', payload, parseReportedState);
    if (!reported) return;
    await this.#store(deviceId, { kind: 'reported', reported, at: this.#seen(deviceId) }, payload);
  }

  /** Stores the event once, however often it comes. */
  async receiveEvent(deviceId: string, payload: Uint8Array): Promise<void> {
    const event = this.#parse(deviceId, 'events', payload, parseUpdateEvent);
    if (!event) return;
    await this.#store(deviceId, { kind: 'event', event, at: this.#seen(deviceId) }, payload);
  }

  /** The broker knows better who is connected; a presence message only says that the device spoke. */
  async receivePresence(deviceId: string, payload: Uint8Array): Promise<void> {
    const presence = this.#parse(deviceId, 'presence', payload, parsePresence);
    if (presence?.online) this.#seen(deviceId);
  }

  connected(deviceId: string, agent: ConnectedAgent = {}): void {
    const now = this.#seen(deviceId);
    this.#writeSeen(deviceId, now);
    const wasKnown = this.#identities.shared(deviceId, now) !== undefined;
    const shared = this.#identities.connected(deviceId, agent, now);
    if (shared) {
      this.#reportShared(deviceId, shared, wasKnown).catch((error: unknown) => {
        this.#log.error(deviceId, { device: deviceId, err: error }, 'shared identity was not recorded');
      });
    }
  }

  disconnected(deviceId: string): void {
    const lastSeenAt = this.#lastSeenAt.get(deviceId);
    this.#lastSeenAt.delete(deviceId);
    if (lastSeenAt !== undefined) this.#writeSeen(deviceId, lastSeenAt);
  }

  /**
   * Counts what devices reported before this start; those that report meanwhile count by that. Never rejects: what cannot be read is
   * logged, and its devices count from their next report on.
   */
  async loadCensus(signal: AbortSignal): Promise<void> {
    const { store, logger } = this.#props;
    try {
      for (let after = ''; !signal.aborted; ) {
        const rows = await store.reported({ after, limit: CENSUS_PAGE });
        for (const row of rows) this.#countStored(row);
        if (rows.length < CENSUS_PAGE) return;
        after = rows.at(-1)!.id;
      }
    } catch (error) {
      logger.error({ err: error }, 'the devices could not be counted for the metrics');
    }
  }

  /** After a restore: what devices said before the backup is no longer what they are; each says it again when it connects. */
  forgetReports(): Promise<void> {
    return this.#props.store.forgetReports();
  }

  /** A message of the device arrived that another part handles. */
  touch(deviceId: string): void {
    this.#seen(deviceId);
  }

  /** To the agent that came back; the other one is told when it does. Recorded when it is news. */
  async #reportShared(deviceId: string, shared: SharedIdentity, wasKnown: boolean): Promise<void> {
    const { store, audit, connections } = this.#props;
    const { addresses } = shared;
    const command: HubCommand = {
      v: 1,
      command: 'identity-shared',
      at: new Date(shared.at).toISOString(),
      addresses: [...addresses],
    };
    const topic = topics.device(deviceId, 'command');
    await connections.send(deviceId, topic, Buffer.from(JSON.stringify(command)), 1);
    if (wasKnown) return;
    const message = 'two agents connect with the identity of one device';
    this.#log.error(deviceId, { device: deviceId, addresses }, message);
    await store.transaction((tx) =>
      audit.append(
        {
          actor: 'hub',
          action: 'device.identity_shared',
          target: `device/${deviceId}`,
          details: { addresses: addresses.join(' ') },
        },
        tx,
      ),
    );
  }

  #countStored(row: Pick<DeviceRow, 'id' | 'reported'>): void {
    if (this.census.has(row.id)) return;
    try {
      const reported = reportedOf(row);
      if (reported) this.census.reported(row.id, reported);
    } catch (error) {
      this.#log.warn(row.id, { device: row.id, err: error }, 'the stored report of a device cannot be read');
    }
  }

  #seen(deviceId: string): number {
    const now = this.#props.clock.now();
    this.#lastSeenAt.set(deviceId, now);
    return now;
  }

  #store(deviceId: string, body: InboxMessage, payload: Uint8Array): Promise<void> {
    return this.#props.inbox.store(this.#writer, { deviceId, body, bytes: payload.byteLength });
  }

  /** One write a device is on its way at most. Only shown: a failure is logged, and the next one overwrites it. */
  #writeSeen(deviceId: string, lastSeenAt: number): void {
    const isOnItsWay = this.#seenToStore.has(deviceId);
    this.#seenToStore.set(deviceId, lastSeenAt);
    if (isOnItsWay) return;
    const body: InboxMessage = { kind: 'seen', at: () => this.#seenToStore.get(deviceId) };
    this.#props.inbox
      .note(this.#writer, { deviceId, body })
      .catch((error: unknown) => {
        this.#log.warn(deviceId, { device: deviceId, err: error }, 'presence not stored');
      })
      .finally(() => this.#seenToStore.delete(deviceId));
  }

  #parse<T>(
    deviceId: string,
    leaf: string,
    payload: Uint8Array,
    parse: (payload: Uint8Array) => T,
  ): T | undefined {
    try {
      return parse(payload);
    } catch (error) {
      if (!isAppError(error)) throw error;
      const reason = `${leaf}: ${error.message}`;
      this.#props.refusals?.refused({ kind: 'payload', actor: `device:${deviceId}`, reason });
      return undefined;
    }
  }

  async #find(id: string): Promise<DeviceRow | undefined> {
    const row = await this.#props.store.find(id);
    return row?.revoked_at === null ? row : undefined;
  }

  #presence(row: DeviceRow): Presence {
    return {
      connected: this.#props.connections.isConnected(row.id),
      lastSeenAt: this.#lastSeenAt.get(row.id) ?? row.last_seen_at ?? undefined,
      shared: this.#identities.shared(row.id, this.#props.clock.now()),
    };
  }
}

function notFound(verb: string, id: string): AppError {
  return new AppError('not_found', `Cannot ${verb} device "${id}": no device has this id.`);
}
