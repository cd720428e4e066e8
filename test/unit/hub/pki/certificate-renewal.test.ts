import { pino } from 'pino';
import { expect, it, vi } from 'vitest';
import { runCertificateRenewal } from '../../../../hub/pki/certificate-renewal.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

const HOUR_MS = 3_600_000;

it('a new server certificate is taken by every listener, and tried again with one that could not take it', async () => {
  const clock = new ManualClock();
  const stopping = new AbortController();
  const taken: string[] = [];
  let isBroken = true;
  let isMade = false;
  const broken = {
    useCertificate() {
      if (isBroken) throw new Error('not now');
      taken.push('first');
    },
  };
  const whole = { useCertificate: () => void taken.push('second') };
  const renewServer = async () => {
    const isDue = !isMade;
    isMade = true;
    return isDue;
  };
  const running = runCertificateRenewal(
    {
      authority: { renewServer, serverKeyPem: 'key', serverCertPem: 'certificate' },
      listeners: [broken, whole],
      clock,
      logger: pino({ level: 'silent' }),
    },
    stopping.signal,
  );
  const asleep = () => vi.waitFor(() => expect(clock.sleeping).toBe(1));
  await asleep();
  expect(taken).toEqual(['second']);
  isBroken = false;
  clock.advance(HOUR_MS);
  await vi.waitFor(() => expect(taken).toEqual(['second', 'first']));
  await asleep();
  stopping.abort();
  await running;
});
