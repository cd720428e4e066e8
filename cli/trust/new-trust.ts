/** A new trust root, made on the publisher's machine: offline keys, and the signed files a hub takes on. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { makePrivateFolder, writeFileAtomic } from '../../platform/atomic-file.ts';
import { HubKeys } from '../../shared/api/trust.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { readPublicKey } from '../../shared/tuf/ed25519-key.ts';
import { encodeMetadata, signMetadata } from '../../shared/tuf/metadata-file.ts';
import { makePublisher, makeRoot, makeTargets, publisherPaths } from '../../shared/tuf/trust-roles.ts';
import { answerParser } from '../answer-parser.ts';
import { writeKeyFile } from './key-file.ts';

export const parseHubKeys = answerParser(HubKeys);

export interface NewTrustOptions {
  readonly online: HubKeys;
  readonly rootKeys: number;
  readonly rootThreshold: number;
  /** Limits the publisher to one model. */
  readonly model?: string | undefined;
  readonly nowMs: number;
}

export interface NewTrust {
  /** By file name without `.pem`: root-1 …, targets, publisher. */
  readonly keys: ReadonlyMap<string, KeyObject>;
  /** Signed files by topic. */
  readonly files: Readonly<Record<'root' | 'targets' | 'publisher' | 'director', Buffer>>;
}

/** Makes keys and files. Throws `bad_input` for a threshold that cannot be met. */
export function makeNewTrust({ online, rootKeys, rootThreshold, model, nowMs }: NewTrustOptions): NewTrust {
  if (
    rootKeys < 1 ||
    rootKeys > limits.trustKeysPerRoleMax ||
    rootThreshold < 1 ||
    rootThreshold > rootKeys
  ) {
    throw new AppError(
      'bad_input',
      `Cannot make a root of ${rootKeys} keys with threshold ${rootThreshold}: expected 1 to ${limits.trustKeysPerRoleMax} keys and a threshold from 1 to the number of keys.`,
    );
  }
  const root = Array.from({ length: rootKeys }, newKey);
  const targets = newKey();
  const publisher = newKey();
  const rootMetadata = makeRoot(
    {
      root,
      rootThreshold,
      targets: [targets],
      snapshot: readPublicKey(online.snapshot.publicKeyPem, "the hub's snapshot key"),
      timestamp: readPublicKey(online.timestamp.publicKeyPem, "the hub's timestamp key"),
    },
    { nowMs },
  );
  signMetadata(rootMetadata, root);
  const director = Buffer.from(JSON.stringify({ v: 1, keys: [online.director] }));
  const content = { director, publishers: [publisher], paths: publisherPaths(model) };
  const targetsMetadata = makeTargets(content, { nowMs });
  signMetadata(targetsMetadata, [targets]);
  const publisherMetadata = makePublisher({}, { version: 1, nowMs });
  signMetadata(publisherMetadata, [publisher]);
  return {
    keys: new Map([
      ...root.map((key, index) => [`root-${index + 1}`, key] as const),
      ['targets', targets],
      ['publisher', publisher],
    ]),
    files: {
      root: encodeMetadata(rootMetadata),
      targets: encodeMetadata(targetsMetadata),
      publisher: encodeMetadata(publisherMetadata),
      director,
    },
  };
}

/** Throws `bad_input` when the folder holds keys already: they may be the only copy. */
export async function requireNoKeys(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  const found = names.find((name) => name.endsWith('.pem'));
  if (found === undefined) return;
  throw new AppError(
    'bad_input',
    `Cannot make keys in "${folder}": "${found}" already exists. Name another folder with --keys.`,
  );
}

/** Writes the encrypted keys, and root and targets metadata, which their holders need to sign the next ones. */
export async function saveNewTrust(trust: NewTrust, folder: string, passphrase: string): Promise<void> {
  await makePrivateFolder(folder);
  for (const [name, key] of trust.keys) await writeKeyFile(join(folder, `${name}.pem`), key, passphrase);
  for (const name of ['root', 'targets'] as const) {
    await writeFileAtomic(join(folder, `${name}.json`), trust.files[name]);
  }
}

function newKey(): KeyObject {
  return generateKeyPairSync('ed25519').privateKey;
}
