/** Lets one caller at a time do heavy work: a concurrency limit of one. The others wait in order, or leave when their signal aborts. */
export class Mutex {
  #last: Promise<void> = Promise.resolve();

  async runExclusive<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const before = this.#last;
    let done: () => void = () => undefined;
    this.#last = new Promise((resolve) => {
      done = resolve;
    });
    const waited = new AbortController();
    try {
      await Promise.race([before, aborted(signal, waited.signal)]).finally(() => waited.abort());
      return await work();
    } finally {
      // A caller that left early releases the next one only after those before it have ended.
      before.then(done);
    }
  }
}

/** `over` removes the listener. */
function aborted(signal: AbortSignal, over: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true, signal: over });
  });
}
