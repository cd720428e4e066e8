/**
 * A certificate of the operator's for the REST API, such as one of a public CA: PEM files, the server's certificate first, then the
 * chain above it. MQTT keeps the hub's own CA, which enrolled devices know. A file that cannot be used is refused;
 * what may be wrong but works is a warning.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { readGivenFile } from '../../platform/regular-file.ts';
import { AppError, errorText } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { certificateSha256 } from './certificate.ts';
import type { ServerIdentity } from './certificate-renewal.ts';

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
const CHAIN_MAX = 8;
const DAY_MS = 86_400_000;
/** Public CAs renew a month before the end. */
const DAYS_LEFT_MIN = 14;

export interface OwnCertificateFiles {
  readonly httpTlsCert: string;
  readonly httpTlsKey: string;
}

export interface OwnCertificate extends ServerIdentity {
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
  /** What a device that enrols must verify the server with: a CA that the chain ends in, by its SHA-256, or the CAs of its system. */
  readonly trust: string;
  readonly warnings: readonly string[];
}

/** Undefined when no file is named. Throws `bad_input`. `hosts` are those that clients may call the REST API by. */
export async function readOwnCertificate(
  { httpTlsCert, httpTlsKey }: OwnCertificateFiles,
  { host, now }: { readonly host: string; readonly now: number },
): Promise<OwnCertificate | undefined> {
  if (httpTlsCert === '' && httpTlsKey === '') return undefined;
  if (httpTlsCert === '' || httpTlsKey === '') {
    throw new AppError('bad_input', 'Cannot use --http-tls-cert or --http-tls-key alone: expected both.');
  }
  const chain = readChain(httpTlsCert, await readPem(httpTlsCert));
  const key = readKey(httpTlsKey, await readPem(httpTlsKey));
  const [leaf] = chain as [X509Certificate];
  if (!leaf.checkPrivateKey(key)) {
    throw new AppError(
      'bad_input',
      `Cannot use the key "${httpTlsKey}": it does not belong to the first certificate of "${httpTlsCert}".`,
    );
  }
  const top = chain.at(-1)!;
  const isRoot = top.ca && top.checkIssued(top) && top.verify(top.publicKey);
  return {
    key: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: chain.map(String).join(''),
    expiresAt: Date.parse(leaf.validTo),
    trust: isRoot ? certificateSha256(top.toString()) : 'system',
    warnings: [...faultsOf(chain, host), ...timeFaultOf(leaf, now)],
  };
}

async function readPem(file: string): Promise<string> {
  try {
    return String(await readGivenFile(file, limits.certificateChainBytesMax));
  } catch (cause) {
    throw new AppError('bad_input', errorText(cause), { cause });
  }
}

function readChain(file: string, pem: string): X509Certificate[] {
  const found = pem.match(PEM_CERTIFICATE) ?? [];
  try {
    if (found.length > 0 && found.length <= CHAIN_MAX) return found.map((one) => new X509Certificate(one));
  } catch {
    // Told below.
  }
  throw new AppError(
    'bad_input',
    `Cannot use the certificate "${file}": expected 1 to ${CHAIN_MAX} certificates in PEM, the server's first, found ${found.length}.`,
  );
}

function readKey(file: string, pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    // The cause is left out: it may quote the file.
    const why = pem.includes('ENCRYPTED')
      ? 'it is encrypted; expected an unencrypted key that only the hub can read'
      : 'it contains no private key in PEM';
    throw new AppError('bad_input', `Cannot use the key "${file}": ${why}.`);
  }
}

function faultsOf(chain: readonly X509Certificate[], host: string): string[] {
  const [leaf] = chain as [X509Certificate];
  const isNamed = isIP(host) ? leaf.checkIP(host) : leaf.checkHost(host, { subject: 'never' });
  const gap = chain.findIndex((one, n) => n + 1 < chain.length && !one.checkIssued(chain[n + 1]!));
  return [
    ...(isNamed ? [] : [`it does not name "${host}", the host of the public URL`]),
    ...(gap < 0 ? [] : [`certificate ${gap + 2} of its chain did not issue certificate ${gap + 1}`]),
  ];
}

function timeFaultOf({ validFrom, validTo }: X509Certificate, now: number): string[] {
  const [from, to] = [Date.parse(validFrom), Date.parse(validTo)];
  if (now < from) return [`it is valid from ${new Date(from).toISOString()} only`];
  if (now > to) return [`it expired at ${new Date(to).toISOString()}`];
  return to - now < DAYS_LEFT_MIN * DAY_MS ? [`it expires at ${new Date(to).toISOString()}`] : [];
}
