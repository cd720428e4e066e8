/** An option that cannot be used: told like any refusal, with the exit code of wrong usage. */
export class UsageError extends Error {
  override readonly name = 'UsageError';

  constructor(cause: unknown) {
    super('an option cannot be used', { cause });
  }
}
