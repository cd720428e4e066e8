/**
 * How a program that knows only a fingerprint comes to trust a hub: it looks at the certificates the server presents,
 * keeps the one CA certificate whose SHA-256 is the expected one, and sends nothing before that. Every connection after
 * it verifies the server against that CA in the ordinary way.
 */

import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { connect, type DetailedPeerCertificate, type TLSSocket } from 'node:tls';
import { AppError, errorText } from '../shared/base/app-error.ts';
import { sha256 } from '../shared/digest/sha256.ts';
import { systemClock } from './system-clock.ts';

const CHAIN_MAX = 8;
const HANDSHAKE_MS = 10_000;
/** Extended key usage "serverAuth" (RFC 5280, 4.2.1.12). */
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';

export interface FetchCaOptions {
  /** Longest wait for connection and handshake, milliseconds. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * PEM of the CA certificate that the server at `url` presents and whose DER has the SHA-256 `expectedSha256` (hex;
 * colons and case do not matter). No application byte is sent. Throws `hub_unreachable` when there is no TLS server
 * there, `ca_mismatch` when the server presents another CA, `certificate_not_valid_now` when the CA is the right one and
 * the system clock is outside the time of the server's certificate: every later connection would fail for that.
 */
export async function fetchCa(
  url: string,
  expectedSha256: string,
  { timeoutMs = HANDSHAKE_MS, signal }: FetchCaOptions = {},
): Promise<string> {
  const expected = normalizeFingerprint(expectedSha256);
  const chain = await presentedChain(new URL(url), timeoutMs, signal);
  const match = chain.find((raw) => sha256(raw) === expected);
  if (!match || !new X509Certificate(match).ca) {
    const last = chain.at(-1);
    throw new AppError(
      'ca_mismatch',
      `Refused to trust the server at ${url}: expected the CA with SHA-256 ${expected}, found ${last ? sha256(last) : 'no certificate'}. Nothing was sent to it.`,
    );
  }
  const ca = new X509Certificate(match);
  const server = new X509Certificate(chain[0]!);
  const nowMs = systemClock.now();
  const isNow = Date.parse(server.validFrom) <= nowMs && nowMs <= Date.parse(server.validTo);
  if (!isNow && server.verify(ca.publicKey)) throw clockFault(`the hub at ${url}`, server, nowMs);
  return ca.toString();
}

export interface PinnedConnectionOptions {
  readonly host: string;
  readonly port: number;
  /** The CA the server's certificate must come from, PEM. */
  readonly caPem: string;
  /** What proves this side, PEM. */
  readonly certificatePem: string;
  readonly keyPem: string;
  /** The time as far as it is proven, milliseconds since the epoch; never before the system clock. */
  readonly provenNow: () => number;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * A connection to a server of the pinned CA, both sides proven; nothing was sent over it. TLS reads the system clock: when that
 * is behind what is proven, a certificate "not yet valid" is looked at again with the proven time. Everything else stays
 * as strict as TLS is. Throws `certificate_not_valid_now` when the clock, or the server's certificate, is off;
 * `ca_mismatch` when the certificate is not the server's or not the CA's; the socket's error.
 */
export function connectPinned(options: PinnedConnectionOptions): Promise<TLSSocket> {
  const { host, port, caPem, certificatePem, keyPem, provenNow, signal } = options;
  const timeoutMs = options.timeoutMs ?? HANDSHAKE_MS;
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port,
      ...(isIP(host) ? {} : { servername: host }),
      ca: caPem,
      cert: certificatePem,
      key: keyPem,
      // Judged below, before the socket is handed out.
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
    });
    const end = (fault: unknown) => {
      signal?.removeEventListener('abort', stop);
      socket.destroy();
      reject(fault);
    };
    const stop = () => end(signal?.reason);
    if (signal?.aborted) return stop();
    signal?.addEventListener('abort', stop, { once: true });
    socket.once('error', end);
    socket.setTimeout(timeoutMs, () =>
      end(new Error(`${host}:${port} did not answer within ${timeoutMs} ms`)),
    );
    socket.once('secureConnect', () => {
      const fault = serverFault(socket, { host, port, caPem, nowMs: provenNow() });
      if (fault) return end(fault);
      signal?.removeEventListener('abort', stop);
      socket.removeListener('error', end);
      socket.setTimeout(0);
      resolve(socket);
    });
  });
}

interface ServerCheck {
  readonly host: string;
  readonly port: number;
  readonly caPem: string;
  readonly nowMs: number;
}

/** Why the server at the other end is not to be talked to; undefined when it is the right one. */
function serverFault(socket: TLSSocket, check: ServerCheck): AppError | undefined {
  if (socket.authorized) return undefined;
  const { host, port, nowMs } = check;
  // Declared as an Error, but a code.
  const code = String(socket.authorizationError);
  const certificate = socket.getPeerX509Certificate();
  if (code === 'CERT_NOT_YET_VALID' && certificate) {
    const why = faultAt(certificate, check);
    if (why !== undefined) return notTheHub(host, port, why);
    if (Date.parse(certificate.validFrom) <= nowMs && nowMs <= Date.parse(certificate.validTo))
      return undefined;
  }
  if (certificate && (code === 'CERT_NOT_YET_VALID' || code === 'CERT_HAS_EXPIRED')) {
    return clockFault(`the hub at ${host}:${port}`, certificate, nowMs);
  }
  return notTheHub(host, port, code);
}

function notTheHub(host: string, port: number, why: string): AppError {
  return new AppError(
    'ca_mismatch',
    `Refused the server at ${host}:${port}: the CA that this device pinned did not issue its certificate (${why}).`,
  );
}

/** All that TLS checks beside the time, of a certificate the CA itself signed. */
function faultAt(certificate: X509Certificate, { host, caPem, nowMs }: ServerCheck): string | undefined {
  const ca = new X509Certificate(caPem);
  if (!ca.ca || certificate.ca || !certificate.checkIssued(ca) || !certificate.verify(ca.publicKey)) {
    return 'its certificate is not signed by the CA';
  }
  if (!(Date.parse(ca.validFrom) <= nowMs && nowMs <= Date.parse(ca.validTo)))
    return 'the CA is not valid now';
  if (!certificate.keyUsage?.includes(SERVER_AUTH)) return 'its certificate is not for a server';
  const isNamed = isIP(host) ? certificate.checkIP(host) : certificate.checkHost(host, { subject: 'never' });
  return isNamed ? undefined : `its certificate does not name "${host}"`;
}

/** `certificate_not_valid_now`, with both times: the clock is the first thing to look at. */
function clockFault(
  whose: string,
  { validFrom, validTo }: Pick<X509Certificate, 'validFrom' | 'validTo'>,
  nowMs: number,
): AppError {
  const [from, to, now] = [Date.parse(validFrom), Date.parse(validTo), nowMs].map((ms) =>
    new Date(ms).toISOString(),
  );
  return new AppError(
    'certificate_not_valid_now',
    `Cannot trust ${whose}: its certificate is valid from ${from} to ${to}, and the clock of this device shows ${now}. Set the clock.`,
  );
}

/** SHA-256 of a certificate's DER as lower-case hex: what `fetchCa` expects. */
export function certificateFingerprint(pem: string): string {
  return sha256(new X509Certificate(pem).raw);
}

/** Lower-case hex without colons. Throws `bad_input` when the text is no SHA-256. */
export function normalizeFingerprint(text: string): string {
  const hex = text.replaceAll(':', '').trim().toLowerCase();
  if (/^[0-9a-f]{64}$/.test(hex)) return hex;
  throw new AppError(
    'bad_input',
    `Cannot read the CA fingerprint "${text.slice(0, 100)}": expected a SHA-256 of 64 hex digits.`,
  );
}

/** DER certificates the server presents, leaf first. What is in them is unverified and hostile. */
function presentedChain(url: URL, timeoutMs: number, signal?: AbortSignal): Promise<Uint8Array[]> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port || 443);
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown) => {
      socket.destroy();
      reject(
        new AppError(
          'hub_unreachable',
          `Cannot reach the hub at ${url.origin}: ${errorText(cause)}. Check that a modelfleet hub is running at this address.`,
          { cause },
        ),
      );
    };
    const socket = connect(
      {
        host,
        port,
        ...(isIP(host) ? {} : { servername: host }),
        // The one place where an unverified server is talked to: only its certificates are read.
        rejectUnauthorized: false,
        minVersion: 'TLSv1.2',
      },
      () => {
        const chain: Uint8Array[] = [];
        let certificate: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
        while (certificate?.raw && chain.length < CHAIN_MAX) {
          chain.push(certificate.raw);
          // A self-signed certificate is its own issuer.
          if (certificate.issuerCertificate === certificate) break;
          certificate = certificate.issuerCertificate;
        }
        socket.destroy();
        resolve(chain);
      },
    );
    socket.setTimeout(timeoutMs, () => fail(new Error(`no answer within ${timeoutMs} ms`)));
    socket.once('error', fail);
    signal?.addEventListener('abort', () => fail(signal.reason), { once: true });
  });
}
