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

interface TlsListener {
  useCertificate(identity: ServerIdentity): void;
}

export interface CertificateRenewalProps {
  readonly authority: Pick<Authority, 'renewServer' | 'serverKeyPem' | 'serverCertPem'>;
  readonly listeners: readonly TlsListener[];
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Runs until `signal` is aborted; a renewal that failed is logged and tried again. */
export async function runCertificateRenewal(
  { authority, listeners, clock, logger }: CertificateRenewalProps,
  signal: AbortSignal,
): Promise<void> {
  /** Who has not taken the newest certificate yet. */
  const behind = new Set<TlsListener>();
  while (!signal.aborted) {
    try {
      if (await authority.renewServer()) {
        for (const listener of listeners) behind.add(listener);
        logger.info('server certificate made anew');
      }
    } catch (error) {
      logger.error({ err: error }, 'the server certificate could not be renewed');
    }
    for (const listener of behind) {
      try {
        listener.useCertificate({ key: authority.serverKeyPem, cert: authority.serverCertPem });
        behind.delete(listener);
      } catch (error) {
        logger.error({ err: error }, 'the renewed server certificate could not be put into use');
      }
    }
    await sleepUnlessSet(clock, CHECK_MS, signal).catch(() => undefined);
  }
}
