/** A part of a transaction that can fail alone: its writes are rolled back, and the transaction goes on. */
import { sql, type Transaction } from 'kysely';
import { isDatabaseTrouble } from './storage-trouble.ts';
import type { Tables } from './tables.ts';

export type Attempted<T> = { readonly value: T } | { readonly error: unknown };

/**
 * The value of `work`, or why it failed; then nothing of it is left. Throws what is not the trouble of `work` but of the whole
 * database, such as a full disk: the transaction cannot go on.
 */
export async function attemptWithin<T>(
  tx: Transaction<Tables>,
  work: () => Promise<T>,
): Promise<Attempted<T>> {
  await sql`savepoint attempted`.execute(tx);
  try {
    const value = await work();
    await sql`release attempted`.execute(tx);
    return { value };
  } catch (error) {
    if (isDatabaseTrouble(error)) throw error;
    await sql`rollback to attempted`.execute(tx);
    await sql`release attempted`.execute(tx);
    return { error };
  }
}
