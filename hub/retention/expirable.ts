/**
 * One kind of thing that is stored and can leave, such as uploads that no version names. A feature plugs a kind in by
 * implementing this beside its store and handing it to `Retention` in hub.ts; settings are options of the hub
 * (config/options-schema.ts) that its constructor takes. Nothing else is needed: background, route, command line, metrics and
 * report go by the list.
 */
export interface Expirable {
  /** Names the kind in reports and metrics, a plural in kebab case: `unreferenced-blobs`. Never changed once released. */
  readonly kind: string;
  /** When one leaves, for people; a sentence without a full stop that names its option: `older than 30d (--x-kept)`. */
  readonly rule: string;
  /**
   * What would leave at `now` and changes nothing. Looks at about `limit` things at most and says with `isMore` that there are
   * others; reads in pages, so that nobody waits for it.
   */
  find(now: number, limit: number): Promise<Found>;
  /**
   * Lets some leave, at most what takes a few milliseconds (one short transaction, some files), oldest first. A kill at any
   * instant leaves a state that a later call completes. Costs next to nothing while nothing is due: it is called every minute.
   * What people must be able to ask about later it writes into the audit log itself.
   */
  removeSome(now: number): Promise<Removed>;
}

export interface Removed {
  readonly count: number;
  /** About what they take up. */
  readonly bytes: number;
  /** True when another call would let more leave. */
  readonly isMore: boolean;
}

export interface Found extends Removed {
  /** Since when the oldest of them is stored, milliseconds since the epoch. */
  readonly oldestAt?: number | undefined;
}
