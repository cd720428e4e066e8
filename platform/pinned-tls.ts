/**
 * How a program that knows only a fingerprint comes to trust a hub: it looks at the certificates the server presents,
 * keeps the one CA certificate whose SHA-256 is the expected one, and sends nothing before that. Every connection after
 * it verifies the server against that CA in the ordinary way.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { connect, type DetailedPeerCertificate } from 'node:tls';
import { AppError, errorText } from '../shared/base/app-error.ts';

const CHAIN_MAX = 8;
const HANDSHAKE_MS = 10_000;

export interface FetchCaOptions {
  /** Longest wait for connection and handshake, milliseconds. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * PEM of the CA certificate that the server at `url` presents and whose DER has the SHA-256 `expectedSha256` (hex;
 * colons and case do not matter). No application byte is sent. Throws `hub_unreachable` when there is no TLS server
 * there, `ca_mismatch` when the server presents another CA.
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
      `Refused to trust the server at ${url}: wanted the CA with SHA-256 ${expected}, found ${last ? sha256(last) : 'no certificate'}. Nothing was sent to it.`,
    );
  }
  return new X509Certificate(match).toString();
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
    `Cannot read the CA fingerprint "${text.slice(0, 100)}": wanted a SHA-256, 64 hex digits.`,
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
          `Cannot reach the hub at ${url.origin}: ${errorText(cause)}. Wanted a modelfleet hub that answers with TLS there.`,
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

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
