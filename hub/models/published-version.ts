/** A version as the rest of the hub sees it. */
import type { ModelManifest } from '../../shared/manifest/model-manifest.ts';

export interface PublishedVersion {
  readonly model: string;
  readonly version: string;
  readonly release: number;
  readonly manifestSha256: string;
  readonly manifest: ModelManifest;
  readonly publishedAt: number;
  readonly publishedBy: string;
  readonly withdrawn?: { readonly at: number; readonly reason: string };
  /** When its files left, milliseconds since the epoch; absent while they are there. */
  readonly contentLeftAt?: number;
}
