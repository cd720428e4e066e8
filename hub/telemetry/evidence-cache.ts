/**
 * Evidence already read for rollouts under way, so that the cost of evaluating a rollout is proportional to what is new and not to
 * all its fleet has sent: a row is read again when its revision has grown. Bounded by the bytes of the rows; what does not fit is
 * read each time.
 */
import { limits } from '../../shared/base/limits.ts';
import type { EvidenceKey, EvidenceRow, EvidenceStore } from './evidence-store.ts';
import type { TelemetryFigures } from './telemetry-figures.ts';

export interface OfferEvidence {
  /** When the offer was made. */
  readonly offeredAt: number;
  readonly figures: Pick<TelemetryFigures, 'requests' | 'features'>;
}

export interface EvidenceCacheProps {
  readonly store: Pick<EvidenceStore, 'changes' | 'onRemoved'>;
  /** Reads one row; this cache saves its cost. */
  readonly read: (row: EvidenceRow) => OfferEvidence;
  readonly bytesMax?: number;
}

interface Known {
  /** The highest that was read. */
  revision: number;
  bytes: number;
  /** Whether it was asked for since the last `sweep`. */
  isUsed: boolean;
  readonly byDevice: Map<string, { readonly bytes: number; readonly evidence: OfferEvidence }>;
  /** What was answered last; undefined when it has changed since. */
  whole: ReadonlyMap<string, OfferEvidence> | undefined;
}

export class EvidenceCache {
  readonly #props: EvidenceCacheProps;
  readonly #bytesMax: number;
  /** The one that was asked for last at the end. */
  readonly #rollouts = new Map<string, Known>();

  constructor(props: EvidenceCacheProps) {
    this.#props = props;
    this.#bytesMax = props.bytesMax ?? limits.evidenceCachedBytesMax;
    props.store.onRemoved((keys) => {
      for (const key of keys) this.#forget(key);
    });
  }

  /** What each device contributed for the last offer of the rollout to it, by id: the same map as before when nothing has changed. */
  async ofRollout(rolloutId: string): Promise<ReadonlyMap<string, OfferEvidence>> {
    const known: Known = this.#rollouts.get(rolloutId) ?? {
      revision: 0,
      bytes: 0,
      isUsed: true,
      byDevice: new Map(),
      whole: undefined,
    };
    known.isUsed = true;
    this.#rollouts.delete(rolloutId);
    this.#rollouts.set(rolloutId, known);
    for await (const row of this.#props.store.changes(rolloutId, known.revision)) {
      const bytes = row.body.byteLength;
      known.revision = row.revision;
      known.bytes += bytes - (known.byDevice.get(row.deviceId)?.bytes ?? 0);
      known.byDevice.set(row.deviceId, { bytes, evidence: this.#props.read(row) });
      known.whole = undefined;
    }
    this.#evictOverflow();
    known.whole ??= new Map([...known.byDevice].map(([deviceId, { evidence }]) => [deviceId, evidence]));
    return known.whole;
  }

  /** Drops rollouts that were not queried since the last call: they have ended, or have gates that need no evidence. */
  sweep(): void {
    for (const [rolloutId, known] of this.#rollouts) {
      if (!known.isUsed) this.#rollouts.delete(rolloutId);
      known.isUsed = false;
    }
  }

  #forget({ rolloutId, deviceId }: EvidenceKey): void {
    const known = this.#rollouts.get(rolloutId);
    if (!known) return;
    known.bytes -= known.byDevice.get(deviceId)?.bytes ?? 0;
    known.byDevice.delete(deviceId);
    known.whole = undefined;
  }

  #evictOverflow(): void {
    let bytes = [...this.#rollouts.values()].reduce((sum, known) => sum + known.bytes, 0);
    for (const [rolloutId, known] of this.#rollouts) {
      if (bytes <= this.#bytesMax) return;
      this.#rollouts.delete(rolloutId);
      bytes -= known.bytes;
    }
  }
}
