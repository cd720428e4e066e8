/** What a catalogue says of one error code. `docs/ERRORS.md` is made from these entries; a test keeps them in step. */
export interface ErrorEntry {
  /** HTTP status the hub or an agent's local API answers with. */
  readonly status: number;
  /** Whether the same request can succeed later without a change to it. */
  readonly retry: 'never' | 'later';
  /** What the code means, one sentence. */
  readonly meaning: string;
  /** What the reader can do about it, one sentence. */
  readonly fix: string;
}

/** Declares a catalogue of one area with its codes kept as literal types. */
export function defineErrors<const T extends Record<string, ErrorEntry>>(entries: T): T {
  return entries;
}
