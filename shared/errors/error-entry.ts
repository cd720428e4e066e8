/** What a catalogue says of one error code. `docs/ERRORS.md` is made from these entries; a test keeps them in step. */
export type ErrorEntry = (AnsweredCode | UnansweredCode) & {
  /** Whether the same request can succeed later without a change to it. Programs decide by this. */
  readonly retry: 'never' | 'later';
  /** The cause does not pass by itself: a later try succeeds once a person has removed it. For readers only. */
  readonly causeStays?: true;
  /** What the code means, one sentence. */
  readonly meaning: string;
  /** What the reader can do about it, one sentence. */
  readonly fix: string;
};

interface AnsweredCode {
  /** HTTP status that the hub's REST API or an agent's local API answers with. */
  readonly status: number;
  readonly seenIn?: undefined;
}

/** Neither API answers with the code. */
interface UnansweredCode {
  readonly status?: undefined;
  readonly seenIn: readonly ErrorPlace[];
}

/** Where a person reads a code that no API answers with; `docs/errors-page.ts` puts each into words. */
export type ErrorPlace = 'command' | 'start' | 'device' | 'audit';

/** Declares a catalogue of one area with its codes kept as literal types. */
export function defineErrors<const T extends Record<string, ErrorEntry>>(entries: T): T {
  return entries;
}
