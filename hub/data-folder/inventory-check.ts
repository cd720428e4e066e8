/**
 * A start on an incomplete data folder would create what is missing again: another CA locks every device out, another
 * director is trusted by none. So what is missing is named, and the hub does not start unless the operator declares it lost.
 */
import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { setAside } from '../../platform/set-aside.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { endFirstStart, type FolderFiles, findFolderFiles } from './folder-files.ts';
import { databaseFile, type Lack } from './inventory.ts';
import type { Identities, InventoryStore } from './inventory-store.ts';

export interface InventoryCheckProps {
  readonly folder: string;
  /** The operator declares that what is missing is lost for good. */
  readonly acceptLoss: boolean;
}

export class InventoryCheck {
  readonly #props: InventoryCheckProps;
  readonly #lacks: readonly Lack[];
  readonly #lost: Lack[] = [];
  #isNew: boolean;

  private constructor(props: InventoryCheckProps, { isNew, lacks }: FolderFiles) {
    this.#props = props;
    this.#isNew = isNew;
    this.#lacks = lacks;
  }

  /** Checks the files, before any is created. Throws `file_unusable`, and `data_folder_incomplete` when the database is not there. */
  static async begin(props: InventoryCheckProps): Promise<InventoryCheck> {
    const files = await findFolderFiles(props.folder);
    const check = new InventoryCheck(props, files);
    // The rest cannot be known without it.
    if (files.lacks.some(({ path }) => path === databaseFile)) check.#settle(files.lacks);
    return check;
  }

  /** What this start does without, because the operator declared it lost. */
  get lost(): readonly Lack[] {
    return this.#lost;
  }

  /** With the database open. `blobs`: what versions name and is not there. Throws `data_folder_incomplete`. */
  async requireFiles(store: InventoryStore, blobs: readonly Lack[]): Promise<void> {
    const isUsed = await store.isUsed();
    if (isUsed) this.#isNew = false;
    const lacks = this.#lacks.filter(({ path }) => path !== databaseFile);
    const hasNone = lacks.length < this.#lacks.length;
    if (!isUsed && !hasNone)
      lacks.unshift({ path: databaseFile, reason: 'does not contain the data of a hub' });
    this.#settle([...lacks, ...blobs]);
    for (const { path, reason } of this.#lost) {
      if (path !== databaseFile && reason === 'is empty') await setAside(join(this.#props.folder, path));
    }
  }

  /** With the keys open: they must be those that the database knows. Throws `data_folder_incomplete`. */
  async requireIdentities(found: Identities, caPem: string, store: InventoryStore): Promise<void> {
    const known = await store.identities();
    const lost = new Set(this.#lost.map(({ path }) => path));
    const foreign = [...found].filter(([path, identity]) => (known.get(path) ?? identity) !== identity);
    if (!known.has('pki/ca.pem') && !(await this.#fitsDevices(caPem, store)))
      foreign.push(['pki/ca.pem', '']);
    this.#settle(
      foreign
        .filter(([path]) => !lost.has(path))
        .map(([path]) => ({ path, reason: `and "${databaseFile}" belong to different hubs` })),
    );
  }

  /**
   * From now on the database knows these keys. Ends a first start. The consequences of a loss are handled before it: a start that
   * is interrupted in between is repeated as a whole.
   */
  async accept(found: Identities, store: InventoryStore): Promise<void> {
    const known = await store.identities();
    if ([...found].some(([path, identity]) => known.get(path) !== identity)) await store.save(found);
    await endFirstStart(this.#props.folder);
  }

  /** For a database that is older than the table of identities. */
  async #fitsDevices(caPem: string, store: InventoryStore): Promise<boolean> {
    const pem = await store.deviceCertificate();
    return pem === undefined || new X509Certificate(pem).verify(new X509Certificate(caPem).publicKey);
  }

  #settle(lacks: readonly Lack[]): void {
    if (this.#isNew || lacks.length === 0) return;
    if (!this.#props.acceptLoss) throw incomplete(this.#props.folder, lacks);
    this.#lost.push(...lacks);
  }
}

function incomplete(folder: string, lacks: readonly Lack[]): AppError {
  const named = lacks.slice(0, limits.lacksNamedMax).map(({ path, reason }) => `"${path}" ${reason}`);
  const more = lacks.length - named.length;
  return new AppError(
    'data_folder_incomplete',
    `Cannot start on the data folder "${folder}": ${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}.`,
    { details: { lacks: lacks.slice(0, limits.lacksNamedMax), count: lacks.length } },
  );
}
