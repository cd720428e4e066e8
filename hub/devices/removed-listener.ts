/** What other parts of the hub do when a device is removed. */
import type { Transaction } from 'kysely';
import type { Tables } from '../db/tables.ts';

export interface RemovedListener {
  /** Forgets the device, inside the transaction that removes it at `now`. */
  readonly remove: (deviceId: string, now: number, tx: Transaction<Tables>) => Promise<void>;
  /** The removal is committed. */
  readonly removed: (deviceId: string) => Promise<void>;
  /** Another machine is about to have the id: resolves when nothing is left of the removed one. */
  readonly clear?: (deviceId: string) => Promise<void>;
  /** The same, inside the transaction that enrols the other machine. */
  readonly clearWithin?: (deviceId: string, tx: Transaction<Tables>) => Promise<void>;
}
