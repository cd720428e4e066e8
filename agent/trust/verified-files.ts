/**
 * What was verified, on disk: all metadata files in one, so that it is always a set that belonged together. tuf-js
 * itself wants a folder and writes into it piece by piece; it gets a scratch folder, and what it verified is read back.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Static, Type } from 'typebox';
import { makePrivateFolder, writeFileAtomic } from '../../platform/atomic-file.ts';
import { readRegularFile } from '../../platform/regular-file.ts';
import { AppError, errorText, isAppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { jsonParser } from '../../shared/base/parse.ts';

const fileNames = ['root', 'timestamp', 'snapshot', 'targets', 'publisher'] as const;
const text = Type.Optional(Type.String({ maxLength: limits.trustMetadataBytesMax }));

const VerifiedSet = Type.Object({
  v: Type.Literal(1),
  root: Type.String({ maxLength: limits.trustMetadataBytesMax }),
  timestamp: text,
  snapshot: text,
  targets: text,
  publisher: text,
  /** The file of the director target, checked against it. */
  director: text,
});
export type VerifiedSet = Static<typeof VerifiedSet>;
const CACHE_BYTES_MAX = 8 * limits.trustMetadataBytesMax;
const parseVerifiedSet = jsonParser(VerifiedSet, 'verified metadata', CACHE_BYTES_MAX);

export class VerifiedFiles {
  readonly #folder: string;

  /** `folder` holds the pinned `root.json`. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** What was verified last. A cache that does not load is thrown away: then it is the pinned root alone. */
  async load(): Promise<VerifiedSet> {
    try {
      return parseVerifiedSet(await readRegularFile(this.#cacheFile, CACHE_BYTES_MAX));
    } catch {
      return this.pinned();
    }
  }

  /** The root pinned at enrolment alone. Throws `trust_root_lost` when there is none. */
  async pinned(): Promise<VerifiedSet> {
    const file = join(this.#folder, 'root.json');
    const root = await readText(file).catch((error: unknown) => {
      const isGone = isAppError(error) || (error as NodeJS.ErrnoException).code === 'ENOENT';
      throw isGone ? trustRootLost(error) : error;
    });
    return { v: 1, root };
  }

  async save(set: VerifiedSet): Promise<void> {
    await writeFileAtomic(this.#cacheFile, JSON.stringify(set));
  }

  /** Runs `act` on a scratch folder that holds `set`; returns what the folder holds afterwards, even when `act` failed. */
  async inScratch<T>(
    set: VerifiedSet,
    act: (folder: string) => Promise<T>,
  ): Promise<{ readonly after: VerifiedSet; readonly result: PromiseSettledResult<T> }> {
    await makePrivateFolder(this.#folder);
    const scratch = await mkdtemp(join(this.#folder, 'scratch-'));
    try {
      for (const name of fileNames) {
        const content = set[name];
        if (content !== undefined) await writeFile(join(scratch, `${name}.json`), content, { mode: 0o600 });
      }
      const [result] = await Promise.allSettled([act(scratch)]);
      const after: Record<string, unknown> = { ...set };
      for (const name of fileNames) {
        const content = await readText(join(scratch, `${name}.json`)).catch(() => undefined);
        if (content !== undefined) after[name] = content;
      }
      return { after: after as VerifiedSet, result };
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  }

  get #cacheFile(): string {
    return join(this.#folder, 'verified.json');
  }
}

/** Nobody but enrolment can pin a root: the hub that says what it is would be the one to believe. */
export function trustRootLost(cause: unknown): AppError {
  return new AppError(
    'trust_root_lost',
    `Cannot verify the hub's metadata: the pinned trust root cannot be used (${errorText(cause)}). Enrol the device again: modelfleet-agent enrol --force.`,
    { cause },
  );
}

async function readText(file: string): Promise<string> {
  return String(await readRegularFile(file, limits.trustMetadataBytesMax));
}
