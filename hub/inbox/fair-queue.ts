/**
 * What devices sent, each device's in a line of its own, taken from one line after the other. A line with a single entry
 * passes the longer ones, three for one of theirs: who sends and waits for the answer does not wait for a burst of
 * others, and nobody waits for ever. Pure.
 */
export interface Queued {
  readonly line: string;
  readonly bytes: number;
}

/** So many single entries are taken for one of a longer line. */
const SINGLES_IN_TURN = 3;

export class FairQueue<T extends Queued> {
  /** Lines that have had one entry ever since they were empty. The line whose turn it is next comes first; none is empty. */
  readonly #single = new Map<string, T[]>();
  readonly #longer = new Map<string, T[]>();
  #singlesTaken = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(entry: T): void {
    const { line: name } = entry;
    const longer = this.#longer.get(name);
    const single = this.#single.get(name);
    if (longer) longer.push(entry);
    else if (single) {
      this.#single.delete(name);
      this.#longer.set(name, [...single, entry]);
    } else this.#single.set(name, [entry]);
    this.#size += 1;
  }

  /** One of each line in turn, until there are `countMax` of them, or `bytesMax` is passed. */
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

  /** Puts back what was taken, each before what came in its line after it; those lines are the last to have their turn. */
  putBack(entries: readonly T[]): void {
    const again = new Map<string, T[]>();
    for (const entry of entries) {
      const line = again.get(entry.line);
      if (line) line.push(entry);
      else again.set(entry.line, [entry]);
    }
    for (const [name, line] of again) {
      const behind = this.remove(name);
      this.#longer.set(name, [...line, ...behind]);
      this.#size += line.length + behind.length;
    }
  }

  /** Takes out the whole line. */
  remove(name: string): readonly T[] {
    const line = this.#single.get(name) ?? this.#longer.get(name) ?? [];
    this.#single.delete(name);
    this.#longer.delete(name);
    this.#size -= line.length;
    return line;
  }

  /** Only to be called when there is one. */
  #next(): T {
    const isTurnOfLonger = this.#singlesTaken >= SINGLES_IN_TURN && this.#longer.size > 0;
    const lines = this.#single.size > 0 && !isTurnOfLonger ? this.#single : this.#longer;
    this.#singlesTaken = lines === this.#single ? this.#singlesTaken + 1 : 0;
    const [name, line] = lines.entries().next().value!;
    const entry = line.shift()!;
    lines.delete(name);
    if (line.length > 0) lines.set(name, line);
    this.#size -= 1;
    return entry;
  }
}
