/**
 * Which versions a device was assigned by this hub: telemetry checks this before it trusts a report. A version was offered if a
 * desired state or a rollout named it; what the device reports to run counts as well, because a hub restored from a backup
 * does not know its later offers. Telemetry from before the device connected to that hub arrives before its report: until then
 * nothing that it may have been offered is refused. For a rollout only its own offers count.
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
      { readonly reported?: Pick<ReportedState, 'models'>; readonly isReportLost?: boolean } | undefined
    >;
  };
}

interface RolloutClaim extends OfferedVersion {
  readonly rolloutId: string;
  readonly offer: number | undefined;
}

export class DeviceAssignments {
  readonly #props: DeviceAssignmentsProps;
  /** Valid until the device is removed: an offer once made stays made. */
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
    if (!isOf) return report?.isReportLost ?? false;
    if (this.#known.size >= limits.telemetryOffersKnownMax) {
      this.#known.delete(this.#known.values().next().value!);
    }
    this.#known.add(pair);
    return true;
  }

  /** The device was removed: a machine that is enrolled under its id later starts without offers. */
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

  async waitingFor(
    devices: readonly { readonly deviceId: string; readonly model: string }[],
  ): Promise<readonly (string | undefined)[]> {
    const ids = [...new Set(devices.map(({ deviceId }) => deviceId))];
    const waiting = await this.#props.store.waiting(ids);
    const rollouts = new Map(
      waiting.map(({ deviceId, model, rolloutId }) => [`${deviceId} ${model}`, rolloutId]),
    );
    return devices.map(({ deviceId, model }) => rollouts.get(`${deviceId} ${model}`));
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
