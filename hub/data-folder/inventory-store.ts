/** The identities of key files as the database knows them, and what in a database shows that it is this hub's. */
import type { Database } from '../db/database.ts';
import type { KeyFile } from './inventory.ts';

export type Identities = ReadonlyMap<KeyFile, string>;

export class InventoryStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Empty in a database that no hub was started with yet. */
  async identities(): Promise<Identities> {
    const rows = await this.#database.selectFrom('inventory').selectAll().execute();
    return new Map(rows.map(({ path, identity }) => [path as KeyFile, identity]));
  }

  async save(identities: Identities): Promise<void> {
    await this.#database.transaction().execute(async (tx) => {
      for (const [path, identity] of identities) {
        await tx
          .insertInto('inventory')
          .values({ path, identity })
          .onConflict((conflict) => conflict.column('path').doUpdateSet({ identity }))
          .execute();
      }
    });
  }

  /** Whether a hub ever finished a start on this database; one that is older than the table of identities was if it has a token. */
  async isUsed(): Promise<boolean> {
    if ((await this.identities()).size > 0) return true;
    return (
      (await this.#database.selectFrom('api_token').select('name').limit(1).executeTakeFirst()) !== undefined
    );
  }

  /** A certificate that the hub's CA issued to a device; undefined when none is known. */
  async deviceCertificate(): Promise<string | undefined> {
    const row = await this.#database
      .selectFrom('enrolment')
      .select('certificate')
      .limit(1)
      .executeTakeFirst();
    return row?.certificate;
  }
}
