/** A whole trust repository in memory: keys of every role, and the files a hub would put on its trust topics. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import type { Metadata, Targets } from '@tufjs/models';
import type { TrustTopic } from '../../shared/protocol/trust-metadata.ts';
import { keyIdOfKey, publicKeyPem } from '../../shared/tuf/ed25519-key.ts';
import { encodeMetadata, parseMetadata, signMetadata } from '../../shared/tuf/metadata-file.ts';
import { addVersion, withdrawVersion } from '../../shared/tuf/published-targets.ts';
import {
  makePublisher,
  makeRoot,
  makeSnapshot,
  makeTargets,
  makeTimestamp,
  publisherPaths,
} from '../../shared/tuf/trust-roles.ts';

export interface OnlineKeySet {
  readonly snapshot: KeyObject;
  readonly timestamp: KeyObject;
  readonly director: KeyObject;
}

export interface TrustWorldOptions {
  readonly nowMs: number;
  readonly rootKeys?: number;
  readonly rootThreshold?: number;
  readonly model?: string;
  readonly online?: OnlineKeySet;
}

export function newKey(): KeyObject {
  return generateKeyPairSync('ed25519').privateKey;
}

export class TrustWorld {
  nowMs: number;
  root: KeyObject[];
  readonly rootThreshold: number;
  readonly targets: KeyObject = newKey();
  readonly publisher: KeyObject = newKey();
  readonly online: OnlineKeySet;
  readonly roots: Buffer[] = [];
  readonly files = new Map<Exclude<TrustTopic, 'root'>, Buffer>();
  readonly #paths: string[];

  constructor(options: TrustWorldOptions) {
    this.nowMs = options.nowMs;
    this.rootThreshold = options.rootThreshold ?? 1;
    this.root = Array.from({ length: options.rootKeys ?? 1 }, newKey);
    this.online = options.online ?? { snapshot: newKey(), timestamp: newKey(), director: newKey() };
    this.#paths = publisherPaths(options.model);
    this.roots.push(this.makeRootFile({ version: 1, signers: this.root }));
    const { director } = this.online;
    const keys = [{ keyid: keyIdOfKey(director), publicKeyPem: publicKeyPem(director) }];
    this.files.set('director', Buffer.from(JSON.stringify({ v: 1, keys })));
    this.files.set('targets', this.makeTargetsFile());
    const publisher = makePublisher({}, { version: 1, nowMs: this.nowMs });
    signMetadata(publisher, [this.publisher]);
    this.files.set('publisher', encodeMetadata(publisher));
    this.resign();
  }

  /** What a hub takes on. */
  get bundle() {
    return {
      root: this.roots[0]!,
      targets: this.files.get('targets')!,
      publisher: this.files.get('publisher')!,
      director: this.files.get('director')!,
    };
  }

  get current(): Metadata<Targets> {
    return parseMetadata('targets', this.files.get('publisher')!, 'publisher');
  }

  makeRootFile(options: {
    readonly version: number;
    readonly signers: readonly KeyObject[];
    readonly members?: readonly KeyObject[];
    readonly nowMs?: number;
  }): Buffer {
    const root = makeRoot(
      {
        root: options.members ?? this.root,
        rootThreshold: this.rootThreshold,
        targets: [this.targets],
        snapshot: this.online.snapshot,
        timestamp: this.online.timestamp,
      },
      { version: options.version, nowMs: options.nowMs ?? this.nowMs },
    );
    signMetadata(root, options.signers);
    return encodeMetadata(root);
  }

  makeTargetsFile(paths = this.#paths, signer = this.targets): Buffer {
    const content = { director: this.files.get('director')!, publishers: [this.publisher], paths };
    const targets = makeTargets(content, { nowMs: this.nowMs });
    signMetadata(targets, [signer]);
    return encodeMetadata(targets);
  }

  /** The next publisher metadata with one version more, not yet current. */
  next(model: string, version: string, release: number, manifest: Uint8Array, key = this.publisher): Buffer {
    const metadata = addVersion(this.current, { model, version, release, manifest }, this.nowMs);
    signMetadata(metadata, [key]);
    return encodeMetadata(metadata);
  }

  nextWithdrawn(model: string, version: string, reason: string): Buffer {
    const metadata = withdrawVersion(this.current, { model, version, reason }, this.nowMs);
    signMetadata(metadata, [this.publisher]);
    return encodeMetadata(metadata);
  }

  publish(model: string, version: string, release: number, manifest: Uint8Array = Buffer.from('{}')): void {
    this.files.set('publisher', this.next(model, version, release, manifest));
    this.resign();
  }

  /** Signs snapshot and timestamp over what is current. */
  resign(): void {
    const versionAfter = (kind: 'snapshot' | 'timestamp'): number => {
      const file = this.files.get(kind);
      return file ? parseMetadata(kind, file).signed.version + 1 : 1;
    };
    const entry = (topic: 'targets' | 'publisher') => {
      const bytes = this.files.get(topic)!;
      return { version: Number(JSON.parse(bytes.toString()).signed.version), bytes };
    };
    const version = versionAfter('snapshot');
    const snapshot = makeSnapshot(
      { targets: entry('targets'), publisher: entry('publisher') },
      { version, nowMs: this.nowMs },
    );
    signMetadata(snapshot, [this.online.snapshot]);
    const bytes = encodeMetadata(snapshot);
    this.files.set('snapshot', bytes);
    const timestamp = makeTimestamp(
      { version, bytes },
      { version: versionAfter('timestamp'), nowMs: this.nowMs },
    );
    signMetadata(timestamp, [this.online.timestamp]);
    this.files.set('timestamp', encodeMetadata(timestamp));
  }

  /** Delivers everything, as a broker does to a new subscriber. */
  sendTo(receiver: { onTrust(role: string, payload: Uint8Array): void }): void {
    const roots = this.roots.map((root) => root.toString());
    const first = JSON.parse(roots[0]!).signed.version;
    receiver.onTrust('root', Buffer.from(JSON.stringify({ v: 1, first, roots })));
    for (const [topic, bytes] of this.files) receiver.onTrust(topic, bytes);
  }

  /** Copies the files, to send old ones later. */
  snapshotFiles(): Map<Exclude<TrustTopic, 'root'>, Buffer> {
    return new Map(this.files);
  }
}
