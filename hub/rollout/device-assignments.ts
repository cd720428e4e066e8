/**
 * Which versions a device has from this hub: what telemetry asks before it trusts a report. Offered is what a desired
 * state or a rollout has named; what the device says it runs counts as well, for a hub that was put back from a backup does
 * not remember its offers. What it counted before it connected to that hub comes before its report does: until then nothing that
 * it may have been offered is refused. For a rollout counts only what that rollout offered.
 */
import { limits } from '../../shared/base/limits.ts';
import type { ReportedState } from '../../shared/protocol/reported-state.ts';
import type { AssignmentStore, OfferedVersion } from './assignment-store.ts';
import type { Director } from './director.ts';
import { isUnderWay } from './rollout-machine.ts';

export interface DeviceAssignmentsProps {
  readonly store: AssignmentStore;
  readonly director: Pick<Director, 'offered'>;
  readonly fleet: {
    report(
      deviceId: string,
    ): Promise<
      { readonly reported?: Pick<ReportedState, 'models'>; readonly isForgotten?: boolean } | undefined
    >;
  };
}

interface RolloutClaim extends OfferedVersion {
  readonly rolloutId: string;
  readonly offer: number | undefined;
}

export class DeviceAssignments {
  readonly #props: DeviceAssignmentsProps;
  /** Pairs that belong together for as long as the device is one: an offer is never unmade. */
  readonly #known = new Set<string>();

  constructor(props: DeviceAssignmentsProps) {
    this.#props = props;
  }

  async isOfDevice(
    deviceId: string,
    version: { readonly model: string; readonly version: string; readonly manifest: string },
  ): Promise<boolean> {
    const pair = `${deviceId} ${version.manifest}`;
    if (this.#known.has(pair)) return true;
    const report = await this.#props.fleet.report(deviceId);
    const isOf =
      (await this.#props.director.offered(deviceId)).has(version.manifest) ||
      (await this.#props.store.wasOffered({ deviceId, ...version })) ||
      reportsVersion(report?.reported, version);
    if (!isOf) return report?.isForgotten ?? false;
    if (this.#known.size >= limits.telemetryOffersKnownMax) {
      this.#known.delete(this.#known.values().next().value!);
    }
    this.#known.add(pair);
    return true;
  }

  /** The device was removed: a machine that is enrolled under its id later begins with nothing. */
  forget(deviceId: string): void {
    for (const pair of this.#known) if (pair.startsWith(`${deviceId} `)) this.#known.delete(pair);
  }

  async offeredAt(claims: readonly RolloutClaim[]): Promise<readonly (number | undefined)[]> {
    const offers = await this.#props.store.offers(claims);
    const made = new Map(
      offers.filter(({ status }) => isUnderWay(status)).map((offer) => [claimText(offer), offer]),
    );
    return claims.map((claim) => {
      const found = made.get(claimText(claim));
      // What was counted for an offer that was reverted may have waited on the device until it was made again.
      const isOfLast = claim.offer === undefined || claim.offer === found?.sequence;
      return isOfLast ? found?.offeredAt : undefined;
    });
  }
}

function reportsVersion(
  reported: Pick<ReportedState, 'models'> | undefined,
  { model, manifest }: { readonly model: string; readonly manifest: string },
): boolean {
  const entry = reported?.models.find((one) => one.model === model);
  return [entry?.active, ...(entry?.previous ?? [])].some((kept) => kept?.manifest === manifest);
}

/** One claim as a text; no part has a space. */
function claimText({ rolloutId, deviceId, model, version }: Omit<RolloutClaim, 'offer'>): string {
  return `${rolloutId} ${deviceId} ${model} ${version}`;
}
