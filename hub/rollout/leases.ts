/**
 * The right to write: one holder for each name at a time, such as a rollout. One implementation now: a hub is one process
 * (process-leases.ts); several hub replicas will get theirs from the database. The contract suite is test/contract/leases.ts.
 */
export interface Leases {
  /**
   * Does `work` while holding the lease of `name`; work for the same name runs one after the other, in the order it came.
   * Work must not ask for the lease it holds.
   */
  hold<T>(name: string, work: () => Promise<T>): Promise<T>;
  /** Resolves when all work accepted so far has ended. */
  idle(): Promise<void>;
}
