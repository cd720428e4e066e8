/** Lets one caller at a time do heavy work; the others wait in order, or leave when their signal says so. */
export class Turns {
  #last: Promise<void> = Promise.resolve();

  async take<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
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
      // Who left early still passes the turn on only after the ones before have ended.
      before.then(done);
    }
  }
}

/** `over` takes the listener back. */
function aborted(signal: AbortSignal, over: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true, signal: over });
  });
}
