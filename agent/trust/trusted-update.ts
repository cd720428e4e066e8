/**
 * One run of tuf-js's updater (TUF client workflow, specification 5.3 to 5.6) over a scratch folder. The updater reads
 * the system clock and keeps only the text of some failures; both are put right here, by two fields it does not declare
 * public (a test fails when that stops working).
 */
import type { Metadata, Targets } from '@tufjs/models';
import { type TargetFile, Updater } from 'tuf-js';
// Not exported by the package.
import { RuntimeError } from 'tuf-js/dist/error.js';
import { limits } from '../../shared/base/limits.ts';
import { publisherRole } from '../../shared/tuf/trust-roles.ts';
import type { MetadataMirror } from './metadata-mirror.ts';
import { MirrorFetcher } from './mirror-fetcher.ts';
import { asTrustError } from './trust-fault.ts';

/** The part of tuf-js's TrustedMetadataStore that is used. */
interface TrustedSet {
  referenceTime: Date;
  updateSnapshot(bytes: Buffer, trusted?: boolean): unknown;
  updateDelegatedTargets(bytes: Buffer, role: string, delegator: string): void;
  readonly timestamp?: { readonly signed: Signed & { readonly version: number } };
  readonly targets?: Metadata<Targets>;
  getRole(name: string): { readonly signed: Signed } | undefined;
}
interface Signed {
  readonly expires: string;
  readonly unrecognizedFields: Readonly<Record<string, unknown>>;
}

export interface TrustedUpdateProps {
  /** Holds root.json and whatever else was verified before. */
  readonly folder: string;
  readonly mirror: MetadataMirror;
  readonly nowMs: number;
  readonly timeoutMs: number;
}

export class TrustedUpdate {
  readonly #props: TrustedUpdateProps;
  readonly #updater: Updater;
  readonly #trusted: TrustedSet;
  #lastFailure: unknown;

  /** Throws `metadata_invalid` or `signature_invalid` when the folder's root.json does not load. */
  constructor(props: TrustedUpdateProps) {
    this.#props = props;
    const keep = (error: unknown): void => {
      this.#lastFailure = error;
    };
    try {
      this.#updater = new Updater({
        metadataDir: props.folder,
        metadataBaseUrl: 'mqtt://hub/trust',
        fetcher: new MirrorFetcher({ mirror: props.mirror, timeoutMs: props.timeoutMs, onFailure: keep }),
        config: {
          rootMaxLength: limits.tufFileBytesMax,
          timestampMaxLength: 16 * 1024,
          snapshotMaxLength: limits.tufFileBytesMax,
          targetsMaxLength: limits.tufFileBytesMax,
          maxRootRotations: limits.trustRootsMax,
        },
      });
    } catch (error) {
      throw asTrustError(error, props.nowMs);
    }
    this.#trusted = (this.#updater as unknown as { trustedSet: TrustedSet }).trustedSet;
    this.#trusted.referenceTime = new Date(props.nowMs);
    keepFailures(this.#trusted, 'updateSnapshot', keep);
    keepFailures(this.#trusted, 'updateDelegatedTargets', keep);
  }

  /** Brings everything up to date and verifies it, the publisher's metadata included. Throws coded errors. */
  async run(): Promise<void> {
    await this.#named(() => this.#updater.refresh());
    // The walk to a path below a delegation loads the metadata of the role that has it, while the folder is there.
    const delegated = Object.values(this.#trusted.targets?.signed.delegations?.roles ?? {});
    for (const path of delegated.flatMap((role) => role.paths ?? [])) {
      await this.#named(() => this.#updater.getTargetInfo(path.replaceAll('*', 'any')));
    }
  }

  /** A target of the verified metadata. */
  async target(path: string): Promise<TargetFile | undefined> {
    return this.#named(() => this.#updater.getTargetInfo(path));
  }

  /** When the first of the verified files expires, milliseconds since the epoch. */
  get expiresAtMs(): number {
    const times = ['root', 'timestamp', 'snapshot', 'targets', publisherRole].map((role) =>
      Date.parse(this.#trusted.getRole(role)?.signed.expires ?? ''),
    );
    return Math.min(...times.filter((time) => !Number.isNaN(time)));
  }

  /** The hub's time when it signed the timestamp; undefined when it does not say. */
  get issuedAtMs(): number | undefined {
    const issued = this.#trusted.timestamp?.signed.unrecognizedFields['issued'];
    const ms = typeof issued === 'string' ? Date.parse(issued) : Number.NaN;
    return Number.isNaN(ms) ? undefined : ms;
  }

  get timestampVersion(): number | undefined {
    return this.#trusted.timestamp?.signed.version;
  }

  async #named<T>(act: () => Promise<T>): Promise<T> {
    this.#lastFailure = undefined;
    try {
      return await act();
    } catch (error) {
      // tuf-js wraps the failure that counts as the last words of a text; the failure itself was kept.
      const kept = this.#lastFailure;
      const wrapped =
        error instanceof RuntimeError && kept instanceof Error && error.message.endsWith(`${kept}`);
      throw asTrustError(wrapped ? kept : error, this.#props.nowMs);
    }
  }
}

/** Tells `keep` what a method of the store throws, then lets it pass. */
function keepFailures(
  store: TrustedSet,
  method: 'updateSnapshot' | 'updateDelegatedTargets',
  keep: (error: unknown) => void,
): void {
  const original = (store[method] as (...args: unknown[]) => unknown).bind(store);
  (store as unknown as Record<string, unknown>)[method] = (...args: unknown[]) => {
    try {
      return original(...args);
    } catch (error) {
      keep(error);
      throw error;
    }
  };
}
