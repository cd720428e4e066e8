/**
 * What devices sent, in one queue per device, served round-robin. Queues with a single entry go before longer ones,
 * three entries to one of theirs: a device that sends and waits for the answer does not wait for a burst of
 * others, and no queue starves. Pure.
 */
export interface Queued {
  readonly queue: string;
  readonly bytes: number;
}

/** So many single entries are served for one of a longer queue. */
const SINGLES_IN_TURN = 3;

export class FairQueue<T extends Queued> {
  /** Queues that have had one entry ever since they were empty. The queue to be served next comes first; none is empty. */
  readonly #single = new Map<string, T[]>();
  readonly #longer = new Map<string, T[]>();
  #singlesTaken = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(entry: T): void {
    const { queue: name } = entry;
    const longer = this.#longer.get(name);
    const single = this.#single.get(name);
    if (longer) longer.push(entry);
    else if (single) {
      this.#single.delete(name);
      this.#longer.set(name, [...single, entry]);
    } else this.#single.set(name, [entry]);
    this.#size += 1;
  }

  /** One of each queue in turn, until there are `countMax` of them, or `bytesMax` is passed. */
  take({ countMax, bytesMax }: { readonly countMax: number; readonly bytesMax: number }): T[] {
    const taken: T[] = [];
    let bytes = 0;
    while (taken.length < countMax && bytes < bytesMax && this.#size > 0) {
      const entry = this.#next();
      taken.push(entry);
      bytes += entry.bytes;
    }
    return taken;
  }

  /** Puts back entries that were removed, each before later ones of its queue; those queues are served last. */
  putBack(entries: readonly T[]): void {
    const again = new Map<string, T[]>();
    for (const entry of entries) {
      const queue = again.get(entry.queue);
      if (queue) queue.push(entry);
      else again.set(entry.queue, [entry]);
    }
    for (const [name, queue] of again) {
      const behind = this.remove(name);
      this.#longer.set(name, [...queue, ...behind]);
      this.#size += queue.length + behind.length;
    }
  }

  /** Removes the whole queue. */
  remove(name: string): readonly T[] {
    const queue = this.#single.get(name) ?? this.#longer.get(name) ?? [];
    this.#single.delete(name);
    this.#longer.delete(name);
    this.#size -= queue.length;
    return queue;
  }

  /** Must only be called when there is one. */
  #next(): T {
    const isTurnOfLonger = this.#singlesTaken >= SINGLES_IN_TURN && this.#longer.size > 0;
    const queues = this.#single.size > 0 && !isTurnOfLonger ? this.#single : this.#longer;
    this.#singlesTaken = queues === this.#single ? this.#singlesTaken + 1 : 0;
    const [name, queue] = queues.entries().next().value!;
    const entry = queue.shift()!;
    queues.delete(name);
    if (queue.length > 0) queues.set(name, queue);
    this.#size -= 1;
    return entry;
  }
}
