/** Whether this device's clock can be right, by what certificates and signed metadata prove. Pure. */
import { formatDuration } from '../../shared/base/duration.ts';

export interface ClockEvidence {
  readonly nowMs: number;
  /** Latest time that a verified statement has proved. */
  readonly provenMs: number;
  /** The device certificate's time, which the hub set when it enrolled the device. */
  readonly certificateFromMs: number;
  readonly certificateToMs: number;
}

/** A certificate that ends within this time is spoken of. */
export const certificateWarnMs = 14 * 86_400_000;

/** Less than this behind is what a clock may be. */
const BEHIND_MS = 60_000;

/** Why the clock is suspect; undefined when nothing speaks against it. */
export function clockSuspicion(evidence: ClockEvidence): string | undefined {
  const { nowMs, provenMs, certificateFromMs, certificateToMs } = evidence;
  const now = new Date(nowMs).toISOString();
  if (provenMs - nowMs > BEHIND_MS) {
    return `The clock shows ${now}, but signed metadata proves that it is at least ${new Date(provenMs).toISOString()} (${formatDuration(provenMs - nowMs)} later). Set the clock.`;
  }
  if (certificateFromMs - nowMs > BEHIND_MS) {
    return `The clock shows ${now}, but the device was enrolled at ${new Date(certificateFromMs).toISOString()}. Set the clock.`;
  }
  if (nowMs > certificateToMs) {
    return `The clock shows ${now}, but the device certificate expired at ${new Date(certificateToMs).toISOString()}. Set the clock, or enrol the device again if the clock is right.`;
  }
  return undefined;
}
