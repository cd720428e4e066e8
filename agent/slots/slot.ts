/** A place on the device that holds one installed version: verified files in a folder of their own. */
import type { ModelManifest } from '../../shared/manifest/model-manifest.ts';

export interface Slot {
  readonly model: string;
  readonly version: string;
  readonly release: number;
  /** Manifest digest; also the name of the slot's folder. */
  readonly manifestSha256: string;
  readonly manifest: ModelManifest;
  /** Absolute folder; artifacts lie in it under the manifest's `path`. */
  readonly folder: string;
}
