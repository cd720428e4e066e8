/**
 * Keeps the hub's server certificate from ending while the hub runs: it is made anew in time, and whoever listens with it takes the
 * new one for its next connections. Those that are open stay.
 */
import type { Logger } from '../../platform/logger.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { sleepUnlessSet } from '../../shared/base/clock-sleep.ts';
import type { Authority } from './authority.ts';

const CHECK_MS = 3_600_000;

/** Key and certificate in PEM. */
export interface ServerIdentity {
  readonly key: string;
  readonly cert: string;
}

export interface CertificateRenewalProps {
  readonly authority: Pick<Authority, 'renewServer' | 'serverKeyPem' | 'serverCertPem'>;
  readonly listeners: readonly { useCertificate(identity: ServerIdentity): void }[];
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Runs until `signal` is aborted; a renewal that failed is logged and tried again. */
export async function runCertificateRenewal(
  { authority, listeners, clock, logger }: CertificateRenewalProps,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      if (await authority.renewServer()) {
        const identity = { key: authority.serverKeyPem, cert: authority.serverCertPem };
        for (const listener of listeners) listener.useCertificate(identity);
        logger.info('server certificate made anew');
      }
    } catch (error) {
      logger.error({ err: error }, 'server certificate could not be made anew');
    }
    await sleepUnlessSet(clock, CHECK_MS, signal).catch(() => undefined);
  }
}
