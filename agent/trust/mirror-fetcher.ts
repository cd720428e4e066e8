/**
 * How tuf-js gets files: from the mirror, waiting for what has not arrived. The names are those TUF gives files on a web
 * server with consistent snapshots: `3.root.json`, `timestamp.json`, `7.snapshot.json`, `12.publisher.json`.
 */
import type { Fetcher } from 'tuf-js';
// Root discovery ends only on this class with status 404, and the package does not export it.
import { DownloadHTTPError } from 'tuf-js/dist/error.js';
import { AppError } from '../../shared/base/app-error.ts';
import type { TrustTopic } from '../../shared/protocol/trust-metadata.ts';
import type { MetadataMirror } from './metadata-mirror.ts';

const NAME = /\/(?:(\d{1,15})\.)?(root|timestamp|snapshot|targets|publisher)\.json$/;

export interface MirrorFetcherProps {
  readonly mirror: MetadataMirror;
  readonly timeoutMs: number;
  /** Told each failure: the updater wraps some of them in errors that keep nothing but their text. */
  readonly onFailure: (error: unknown) => void;
}

export class MirrorFetcher implements Fetcher {
  readonly #props: MirrorFetcherProps;

  constructor(props: MirrorFetcherProps) {
    this.#props = props;
  }

  async downloadBytes(url: string, maxLength: number): Promise<Buffer> {
    try {
      const bytes = await this.#find(url);
      if (bytes.byteLength > maxLength) {
        throw new AppError(
          'too_large',
          `Cannot read trust metadata "${url}": it has ${bytes.byteLength} bytes, but at most ${maxLength} are allowed.`,
        );
      }
      return Buffer.from(bytes);
    } catch (error) {
      this.#props.onFailure(error);
      throw error;
    }
  }

  downloadFile<T>(): Promise<T> {
    throw new Error('Targets are fetched as chunks, not by the updater.');
  }

  async #find(url: string): Promise<Uint8Array> {
    const [, version, topic] = NAME.exec(url) ?? [];
    if (topic === undefined) throw new DownloadHTTPError(`No file ${url}`, 404);
    if (topic === 'root') return this.#root(Number(version));
    return this.#file(topic as TrustTopic, version === undefined ? undefined : Number(version));
  }

  async #root(version: number): Promise<Uint8Array> {
    const { mirror, timeoutMs } = this.#props;
    const root = await mirror.waitFor(() => mirror.root(version), timeoutMs);
    if (root === 'newest') throw new DownloadHTTPError(`No root ${version}`, 404);
    if (root === undefined) throw unavailable(`root version ${version}`);
    return root;
  }

  /** A versioned file is waited for until the hub's current one is that version or a later one. */
  async #file(topic: TrustTopic, version: number | undefined): Promise<Uint8Array> {
    const { mirror, timeoutMs } = this.#props;
    const found = await mirror.waitFor(() => {
      const bytes = mirror.file(topic);
      if (!bytes || version === undefined) return bytes && { bytes };
      const has = versionOf(bytes);
      if (has !== undefined && has < version) return undefined;
      // A newer file means that a newer timestamp is on its way; the caller starts over.
      return has === version || has === undefined ? { bytes } : { bytes: undefined };
    }, timeoutMs);
    if (found?.bytes) return found.bytes;
    const superseded = found !== undefined;
    throw unavailable(`${topic}${version === undefined ? '' : ` version ${version}`}`, { superseded });
  }
}

/** The version an unverified file claims; undefined when it cannot be read, so that verification refuses it by name. */
function versionOf(bytes: Uint8Array): number | undefined {
  try {
    const version = JSON.parse(Buffer.from(bytes).toString('utf8'))?.signed?.version;
    return typeof version === 'number' ? version : undefined;
  } catch {
    return undefined;
  }
}

/** `superseded`: a later version is there already, so one publication has arrived in part. */
function unavailable(what: string, details = { superseded: false }): AppError {
  return new AppError(
    'trust_unavailable',
    `Cannot verify versions: the device has not received ${what} from the hub.`,
    {
      details,
    },
  );
}
