/**
 * How a program that knows only a fingerprint comes to trust a hub: it looks at the certificates the server presents,
 * keeps the one CA certificate whose SHA-256 is the expected one, and sends nothing before that. Every connection after
 * it verifies the server against that CA in the ordinary way.
 */

import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { AppError, errorText } from '../shared/base/app-error.ts';
import { sha256 } from '../shared/digest/sha256.ts';
import { clockFault, hubTime, isValidAt, serverClockFault } from './clock-fault.ts';
import { presentedChain, verifiedPath } from './presented-chain.ts';
import { systemClock } from './system-clock.ts';
import { systemCas } from './system-trust.ts';

const HANDSHAKE_MS = 10_000;

export interface FetchCaOptions {
  /** Longest wait for connection and handshake, milliseconds. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * PEM of the CA certificate that the server at `url` presents and whose DER has the SHA-256 `expectedSha256` (hex;
 * colons and case do not matter). Nothing is sent to a server of another CA, and no secret to any. Throws `hub_unreachable`
 * when there is no TLS server there, `ca_mismatch` when the server presents another CA, and `clock_skew` or
 * `certificate_not_valid_now` when the CA is the right one and the system clock is outside the time of the server's
 * certificate: every later connection would fail for that.
 */
export async function fetchCa(
  url: string,
  expectedSha256: string,
  { timeoutMs = HANDSHAKE_MS, signal }: FetchCaOptions = {},
): Promise<string> {
  const expected = normalizeFingerprint(expectedSha256);
  const chain = await fetchChain(new URL(url), timeoutMs, signal);
  const ca = chain.find(({ raw }) => sha256(raw) === expected);
  if (!ca?.ca) {
    const last = chain.at(-1)?.raw;
    throw new AppError(
      'ca_mismatch',
      `Refused to trust the server at ${url}: expected the CA with SHA-256 ${expected}, found ${last ? sha256(last) : 'no certificate'}. Nothing was sent to it.`,
    );
  }
  const nowMs = systemClock.now();
  if (![chain[0]!, ca].every((one) => isValidAt(one, nowMs))) {
    const fault = await serverClockFault(url, ca.toString(), { timeoutMs, signal });
    if (fault) throw fault;
  }
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
  /** URL of the hub's REST API, which is asked for the hub's time when a certificate is outside its own. */
  readonly hub?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * A connection to a server of the pinned CA, both sides proven; nothing was sent over it. TLS reads the system clock: when that
 * is behind what is proven, a certificate "not yet valid" is looked at again with the proven time. Everything else stays
 * as strict as TLS is. Throws `clock_skew` when the clock is wrong, `certificate_not_valid_now` when the server's certificate is;
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
      if (fault instanceof AppError) return end(fault);
      if (fault) {
        socket.destroy();
        void namedClockFault(fault, options).then(end, end);
        return;
      }
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

/** A certificate of the right server that is outside its time. */
interface OutOfTime {
  readonly certificate: X509Certificate;
  readonly nowMs: number;
}

/** Why the server at the other end is not to be talked to; undefined when it is the right one. */
function serverFault(socket: TLSSocket, check: ServerCheck): AppError | OutOfTime | undefined {
  if (socket.authorized) return undefined;
  const { host, port, caPem } = check;
  // Declared as an Error, but a code.
  const code = String(socket.authorizationError);
  const certificate = socket.getPeerX509Certificate();
  if (!certificate || (code !== 'CERT_NOT_YET_VALID' && code !== 'CERT_HAS_EXPIRED')) {
    return notTheHub(host, port, code);
  }
  const path = verifiedPath([certificate], [new X509Certificate(caPem)], host);
  if (typeof path === 'string') return notTheHub(host, port, path);
  // Nothing proves a time before the system clock's.
  const nowMs = Math.max(check.nowMs, systemClock.now());
  const outOfTime = path.find((one) => !isValidAt(one, nowMs));
  if (outOfTime) return { certificate: outOfTime, nowMs };
  return code === 'CERT_NOT_YET_VALID' ? undefined : notTheHub(host, port, code);
}

async function namedClockFault(
  { certificate, nowMs }: OutOfTime,
  { host, port, hub, caPem, signal }: PinnedConnectionOptions,
): Promise<AppError> {
  const hubMs = hub === undefined ? undefined : await hubTime(hub, [caPem, ...systemCas()], { signal });
  const subject = `Cannot trust the hub at ${host}:${port}: its certificate`;
  return clockFault({ subject, span: certificate, nowMs, hubMs });
}

function notTheHub(host: string, port: number, why: string): AppError {
  return new AppError(
    'ca_mismatch',
    `Refused the server at ${host}:${port}: the CA that this device pinned did not issue its certificate (${why}).`,
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

/** The certificates that the server presents, leaf first. What is in them is unverified and hostile. */
function fetchChain(url: URL, timeoutMs: number, signal?: AbortSignal): Promise<X509Certificate[]> {
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
        const chain = presentedChain(socket);
        socket.destroy();
        resolve(chain);
      },
    );
    socket.setTimeout(timeoutMs, () => fail(new Error(`no answer within ${timeoutMs} ms`)));
    socket.once('error', fail);
    signal?.addEventListener('abort', () => fail(signal.reason), { once: true });
  });
}
