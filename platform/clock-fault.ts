/**
 * A certificate that is right in all but its time: either this machine's clock is wrong, or the certificate really expired. The
 * hub's own clock, read from the Date header of its answer, tells which.
 */
import type { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { AppError } from '../shared/base/app-error.ts';
import { formatDuration } from '../shared/base/duration.ts';
import { limits } from '../shared/base/limits.ts';
import { presentedChain, verifiedPath } from './presented-chain.ts';
import { systemClock } from './system-clock.ts';
import { pemCertificates } from './system-trust.ts';

const OBSERVE_MS = 5_000;
/** Clocks closer than this count as the same. */
export const clockToleranceMs = 60_000;

export type CertificateSpan = Pick<X509Certificate, 'validFrom' | 'validTo'>;

interface ClockFaultProps {
  /** Begins the message: `Cannot trust the hub at …: its certificate`. */
  readonly subject: string;
  readonly span: CertificateSpan;
  /** The time that the certificate was judged at, milliseconds since the epoch: this clock's, or later where that is proven. */
  readonly nowMs: number;
  /** This machine's clock; the system's where it is left out. */
  readonly clockMs?: number;
  /** The hub's clock; undefined when the hub did not show it. */
  readonly hubMs?: number | undefined;
}

/** True when `nowMs` is within the time of the certificate. */
export function isValidAt({ validFrom, validTo }: CertificateSpan, nowMs: number): boolean {
  return Date.parse(validFrom) <= nowMs && nowMs <= Date.parse(validTo);
}

/**
 * `clock_skew` when the hub's clock is within the certificate's time, or when the certificate begins later than now: nobody issues
 * one for the future. Otherwise `certificate_not_valid_now`: it expired, as far as can be seen.
 */
export function clockFault({ subject, span, nowMs, hubMs, ...props }: ClockFaultProps): AppError {
  const clockMs = props.clockMs ?? systemClock.now();
  const from = Date.parse(span.validFrom);
  const isSkew = hubMs === undefined ? nowMs < from : isValidAt(span, hubMs);
  const [fromText, toText] = [from, Date.parse(span.validTo)].map(timeText);
  const times = `${subject} is valid from ${fromText} to ${toText}, and this machine's clock shows ${timeText(clockMs)}`;
  const compared = hubMs === undefined ? '' : `, ${comparisonText(hubMs, clockMs)}`;
  if (isSkew) return new AppError('clock_skew', `${times}${compared}. Set this machine's clock.`);
  const way =
    hubMs === undefined
      ? `The clock is ahead, or the certificate ${nowMs < from ? 'is not valid yet' : 'expired'}.`
      : `The certificate ${hubMs < from ? 'is not valid yet' : 'expired'} by the hub's clock too.`;
  return new AppError('certificate_not_valid_now', `${times}${compared}. ${way}`);
}

/** `2d 3h ahead of the hub's (2026-01-01T00:00:00.000Z)`. */
export function comparisonText(hubMs: number, nowMs: number): string {
  const aheadMs = nowMs - hubMs;
  const hub = `the hub's (${timeText(hubMs)})`;
  if (Math.abs(aheadMs) < clockToleranceMs) return `the same as ${hub}`;
  return `${formatDuration(Math.abs(aheadMs))} ${aheadMs > 0 ? 'ahead of' : 'behind'} ${hub}`;
}

export interface ObserveOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Looks once more at a server that TLS refused: the clock fault when its certificate comes from one of `cas` (PEM), names the
 * host and is only outside its time; undefined for everything else, such as another CA or no answer.
 */
export async function serverClockFault(
  url: string,
  cas: string | readonly string[],
  options: ObserveOptions = {},
): Promise<AppError | undefined> {
  const seen = await observe(new URL(url), cas, options);
  const nowMs = systemClock.now();
  const span = seen?.path.find((certificate) => !isValidAt(certificate, nowMs));
  if (!seen || !span) return undefined;
  const subject = `Cannot trust the hub at ${url}: its certificate`;
  return clockFault({ subject, span, nowMs, hubMs: seen.hubMs });
}

/** The hub's clock, milliseconds since the epoch; undefined when the server is not of `cas` (PEM) or shows none. */
export async function hubTime(
  url: string,
  cas: string | readonly string[],
  options: ObserveOptions = {},
): Promise<number | undefined> {
  return URL.canParse(url) ? (await observe(new URL(url), cas, options))?.hubMs : undefined;
}

interface Observed {
  /** Certificates from the server's own to the CA. */
  readonly path: readonly X509Certificate[];
  readonly hubMs: number | undefined;
}

/**
 * The server proves that it has the key of a certificate of the CA; only its time is not checked. It is asked for `/healthz`
 * without any secret. Its time is believed for the text of a message and for nothing else.
 */
function observe(
  url: URL,
  cas: string | readonly string[],
  { timeoutMs = OBSERVE_MS, signal }: ObserveOptions,
): Promise<Observed | undefined> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return new Promise((resolve) => {
    const socket = connect({
      host,
      port: Number(url.port || 443),
      ...(isIP(host) ? {} : { servername: host }),
      // Checked below, apart from the time.
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
    });
    let path: readonly X509Certificate[] | undefined;
    const end = (hubMs?: number) => {
      socket.destroy();
      resolve(path && { path, hubMs });
    };
    socket.setTimeout(timeoutMs, () => end());
    const timer = AbortSignal.timeout(timeoutMs);
    for (const stop of [timer, signal]) stop?.addEventListener('abort', () => end(), { once: true });
    socket.once('error', () => end()).once('close', () => end());
    socket.once('secureConnect', () => {
      const found = verifiedPath(presentedChain(socket), pemCertificates(cas), host);
      if (typeof found === 'string') return end();
      path = found;
      socket.write(`HEAD /healthz HTTP/1.1\r\nHost: ${url.host}\r\nConnection: close\r\n\r\n`);
      void dateHeader(socket).then(end, () => end());
    });
  });
}

/** The Date header of an HTTP answer; undefined when its head is too long, ends early or has none. */
async function dateHeader(socket: TLSSocket): Promise<number | undefined> {
  let head = '';
  for await (const bytes of socket) {
    head += (bytes as Buffer).toString('latin1');
    if (head.includes('\r\n\r\n') || head.length > limits.answerHeadBytesMax) break;
  }
  const ms = Date.parse(/^date: ([^\r\n]{1,60})\r?$/im.exec(head)?.[1] ?? '');
  return Number.isNaN(ms) ? undefined : ms;
}

function timeText(ms: number): string {
  return new Date(ms).toISOString();
}
