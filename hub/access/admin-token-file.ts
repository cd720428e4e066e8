/**
 * Where the first admin token waits for the operator: a file that the hub's user alone can read, and no log, journal or terminal. It is
 * deleted once its token was used, for whoever has the token by then keeps it elsewhere.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../../platform/atomic-file.ts';
import type { Logger } from '../../platform/logger.ts';
import { readRegularFile } from '../../platform/regular-file.ts';
import { errorText } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';

/** What a secret is the token of, and whether it was used. */
export type FindHolder = (
  secret: string,
) => Promise<{ readonly name: string; readonly isUsed: boolean } | undefined>;

export class AdminTokenFile {
  readonly path: string;
  readonly #logger: Logger;
  /** Name of the token in the file. */
  #name: string | undefined;

  constructor({ folder, logger }: { readonly folder: string; readonly logger: Logger }) {
    this.path = join(folder, 'admin-token');
    this.#logger = logger;
  }

  /** After a restart: what lies there still waits, or is of no more use and goes. */
  async load(find: FindHolder): Promise<void> {
    const found = await readRegularFile(this.path, limits.keyFileBytesMax).then(String, () => undefined);
    if (found === undefined) return;
    const holder = await find(found.trim());
    if (holder && !holder.isUsed) this.#name = holder.name;
    else await this.#remove();
  }

  async write(name: string, secret: string): Promise<void> {
    await writeFileAtomic(this.path, `${secret}\n`, 0o600);
    this.#name = name;
  }

  /** A token was used. */
  used(name: string): void {
    if (name !== this.#name) return;
    this.#name = undefined;
    void this.#remove();
  }

  async #remove(): Promise<void> {
    await rm(this.path, { force: true }).then(
      () => this.#logger.info({ file: this.path }, 'file with the admin token deleted: the token was used'),
      (error: unknown) =>
        this.#logger.error(
          { file: this.path, reason: errorText(error) },
          'file with the admin token could not be deleted; delete it by hand',
        ),
    );
  }
}
