/** Runs one piece of work after the other, in the order they came: the single writer of whatever it guards. */
export class SerialQueue {
  #tail: Promise<unknown> = Promise.resolve();

  /** Result of `work`, which starts when all earlier work has ended, well or badly. Work must not wait for its own queue. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(work);
    this.#tail = result.catch(() => undefined);
    return result;
  }

  /** Resolves when the work accepted so far has ended. */
  async idle(): Promise<void> {
    await this.#tail;
  }
}
