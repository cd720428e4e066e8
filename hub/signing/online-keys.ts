/**
 * The keys the hub signs with by itself: snapshot and timestamp of the trust metadata, and the director's for desired
 * state. They are made on first start and never leave the data folder; root, targets and publisher keys never enter it.
 */
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { join } from 'node:path';
import { makePrivateFolder, writeFileAtomic } from '../../platform/atomic-file.ts';
import { readRegularFile } from '../../platform/regular-file.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import type { DirectorKeys } from '../../shared/protocol/desired-state.ts';
import { keyIdOfKey, publicKeyPem } from '../../shared/tuf/ed25519-key.ts';

const names = ['snapshot', 'timestamp', 'director'] as const;
type OnlineKeyName = (typeof names)[number];

export interface PublicKeyInfo {
  readonly keyid: string;
  readonly publicKeyPem: string;
}

export class OnlineKeys {
  readonly snapshot: KeyObject;
  readonly timestamp: KeyObject;
  readonly director: KeyObject;

  private constructor(keys: Readonly<Record<OnlineKeyName, KeyObject>>) {
    this.snapshot = keys.snapshot;
    this.timestamp = keys.timestamp;
    this.director = keys.director;
  }

  /** Reads the keys from `folder`; makes those that are absent (files 0600). Throws `key_unreadable`, `disk_full`. */
  static async open(folder: string): Promise<OnlineKeys> {
    await makePrivateFolder(folder);
    const keys: Partial<Record<OnlineKeyName, KeyObject>> = {};
    for (const name of names) keys[name] = await openKey(join(folder, `${name}.pem`));
    return new OnlineKeys(keys as Record<OnlineKeyName, KeyObject>);
  }

  /** The public halves: what a trust root must name. */
  get publicKeys(): Readonly<Record<OnlineKeyName, PublicKeyInfo>> {
    const info = (key: KeyObject): PublicKeyInfo => ({
      keyid: keyIdOfKey(key),
      publicKeyPem: publicKeyPem(key),
    });
    return {
      snapshot: info(this.snapshot),
      timestamp: info(this.timestamp),
      director: info(this.director),
    };
  }

  /** Content of the target `director.json`. */
  get directorKeys(): DirectorKeys {
    return { v: 1, keys: [this.publicKeys.director] };
  }
}

async function openKey(file: string): Promise<KeyObject> {
  let pem: string;
  try {
    pem = String(await readRegularFile(file, limits.keyFileBytesMax));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    const { privateKey } = generateKeyPairSync('ed25519');
    await writeFileAtomic(file, privateKey.export({ type: 'pkcs8', format: 'pem' }));
    return privateKey;
  }
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch {
    // Told below: the cause could quote the key.
  }
  throw new AppError(
    'key_unreadable',
    `Cannot read the hub's key "${file}": it is not an Ed25519 private key.`,
  );
}
