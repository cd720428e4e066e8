/** What devices sent, each device's in a line of its own, taken from one line after the other. Pure. */
export interface Queued {
  readonly line: string;
  readonly bytes: number;
}

export class FairQueue<T extends Queued> {
  /** The line whose turn it is next comes first; none is empty. */
  readonly #lines = new Map<string, T[]>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(entry: T): void {
    const line = this.#lines.get(entry.line);
    if (line) line.push(entry);
    else this.#lines.set(entry.line, [entry]);
    this.#size += 1;
  }

  /** One of each line in turn, until there are `countMax` of them, or `bytesMax` is passed. */
  take({ countMax, bytesMax }: { readonly countMax: number; readonly bytesMax: number }): T[] {
    const taken: T[] = [];
    let bytes = 0;
    while (taken.length < countMax && bytes < bytesMax && this.#size > 0) {
      const [name, line] = this.#lines.entries().next().value!;
      const entry = line.shift()!;
      this.#lines.delete(name);
      if (line.length > 0) this.#lines.set(name, line);
      taken.push(entry);
      bytes += entry.bytes;
      this.#size -= 1;
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
      const behind = this.#lines.get(name) ?? [];
      this.#lines.delete(name);
      this.#lines.set(name, [...line, ...behind]);
    }
    this.#size += entries.length;
  }

  /** Takes out the whole line. */
  remove(name: string): readonly T[] {
    const line = this.#lines.get(name) ?? [];
    this.#lines.delete(name);
    this.#size -= line.length;
    return line;
  }
}
