/**
 * The share of failed requests over the devices that run a version: the mean of the devices' own shares, each with its
 * capped weight (hub/telemetry/capped-weights.ts). Pure.
 */
import { capWeights } from '../telemetry/capped-weights.ts';

/** Requests of one device. `refused`: for their tensors, which the version before accepts. */
export interface DeviceRequests {
  readonly ok: number;
  readonly failed: number;
  readonly refused: number;
}

export interface RequestFigures extends DeviceRequests {
  /** Devices that run the version. */
  readonly devices: number;
  /** Those of them that answered an equal part of the requests wanted. */
  readonly withEvidence: number;
  /** Requests that count: those of each device up to the cap. */
  readonly counted: number;
  /** Mean of the devices' shares of failed requests; null when there were no requests. */
  readonly errorRate: number | null;
}

/** `devices`: one entry for each device that runs the version, also those without a request. */
export function requestFigures(devices: readonly DeviceRequests[], wanted: number): RequestFigures {
  const totals = devices.map(({ ok, failed, refused }) => ok + failed + refused);
  const { cap, withEvidence, counted } = capWeights(totals, wanted);
  let failures = 0;
  for (const [i, { failed, refused }] of devices.entries()) {
    const total = totals[i]!;
    if (total > 0) failures += (Math.min(total, cap) * (failed + refused)) / total;
  }
  const sum = (of: keyof DeviceRequests) => devices.reduce((all, device) => all + device[of], 0);
  return {
    ok: sum('ok'),
    failed: sum('failed'),
    refused: sum('refused'),
    devices: devices.length,
    withEvidence,
    counted,
    errorRate: counted > 0 ? failures / counted : null,
  };
}
