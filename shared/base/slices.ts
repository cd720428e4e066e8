/**
 * Long work in slices: a generator that yields whenever it has held the event loop for long enough. Whoever runs it
 * decides what happens in between.
 */
export type Slices<T> = Generator<void, T, void>;

/** Bytes read between two yields: a millisecond or so of a small device. */
export const SLICE_BYTES = 128 * 1024;

/** The result, without a pause: for small work, and where nothing else waits. */
export function runAtOnce<T>(slices: Slices<T>): T {
  for (;;) {
    const { done, value } = slices.next();
    if (done) return value;
  }
}
