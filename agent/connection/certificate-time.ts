/** Whether the device certificate can be used now, and whether it is the clock that is wrong when it cannot. */
import { X509Certificate } from 'node:crypto';
import { clockFault, hubTime } from '../../platform/clock-fault.ts';
import { systemCas } from '../../platform/system-trust.ts';
import type { Clock } from '../../shared/base/clock.ts';
import type { DeviceIdentity } from './identity.ts';

interface Clocks {
  readonly clock: Pick<Clock, 'now'>;
  /** The time as far as it is proven. */
  readonly floor: Pick<Clock, 'now'>;
  readonly signal?: AbortSignal;
}

/**
 * Throws `clock_skew` or `certificate_not_valid_now` when the certificate is not valid yet by the time that is proven, or not any
 * more by this clock; only then is the hub asked for its time. A proven time past the certificate's end is no reason: the hub,
 * whose clock is right, refuses it then.
 */
export async function checkCertificateTime(
  { certificatePem, hub, caPem }: Pick<DeviceIdentity, 'certificatePem' | 'hub' | 'caPem'>,
  { clock, floor, signal }: Clocks,
): Promise<void> {
  const span = new X509Certificate(certificatePem);
  const nowMs = clock.now();
  const provenMs = Math.max(nowMs, floor.now());
  const isTooEarly = provenMs < Date.parse(span.validFrom);
  if (!isTooEarly && nowMs <= Date.parse(span.validTo)) return;
  const hubMs = await hubTime(hub, [caPem, ...systemCas()], { signal });
  const subject = "Cannot connect to the hub: this device's certificate";
  throw clockFault({ subject, span, nowMs: isTooEarly ? provenMs : nowMs, clockMs: nowMs, hubMs });
}
