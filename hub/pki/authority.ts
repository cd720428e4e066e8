/**
 * The hub's own certificate authority: proves the hub to its devices and clients, and devices to the hub. Key and
 * certificate files are made on the first start, readable by their owner alone; the CA stays for the life of the hub, because
 * every join token and every enrolled device knows it by its fingerprint.
 */
import { createPrivateKey, generateKeyPair, randomBytes, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { makePrivateFolder, writeFileAtomic } from '../../platform/atomic-file.ts';
import { readRegularFile } from '../../platform/regular-file.ts';
import { AppError, isAppError } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import { certificateSha256, issueCertificate } from './certificate.ts';
import { readDeviceCsr } from './csr.ts';

const DAY_MS = 86_400_000;
const CA_DAYS = 20 * 365;
const SERVER_DAYS = 2 * 365;
/** A server certificate with less than this left is made anew. */
const SERVER_DAYS_LEFT_MIN = 120;
const DEVICE_DAYS = 2 * 365;
/**
 * A certificate made while the hub's clock was ahead must be valid once it is right again, and devices whose clock is behind must
 * not find it "not valid yet".
 */
const BACKDATE_MS = 60 * DAY_MS;
const HOST_PATTERN = /^[A-Za-z0-9.:_-]{1,253}$/;

export interface AuthorityOptions {
  readonly clock: Clock;
  /** Host names and addresses, beside the local ones, under which devices and clients reach the hub. */
  readonly advertise: readonly string[];
}

export interface DeviceCertificate {
  readonly certificatePem: string;
  readonly serial: string;
  /** SHA-256 of the certificate's DER, lower-case hex. */
  readonly sha256: string;
  readonly expiresAt: number;
}

interface KeyedCertificate {
  readonly keyPem: string;
  readonly certificatePem: string;
}

interface AuthorityParts {
  readonly ca: KeyedCertificate;
  readonly server: KeyedCertificate;
  readonly serverFile: string;
  readonly hosts: readonly string[];
  readonly clock: Clock;
}

export class Authority {
  readonly caPem: string;
  /** SHA-256 of the CA certificate's DER: what join tokens pin. */
  readonly caSha256: string;
  readonly #ca: KeyedCertificate;
  readonly #caName: string;
  readonly #serverFile: string;
  readonly #hosts: readonly string[];
  readonly #clock: Clock;
  #server: KeyedCertificate;

  private constructor({ ca, server, serverFile, hosts, clock }: AuthorityParts) {
    this.caPem = ca.certificatePem;
    this.caSha256 = certificateSha256(ca.certificatePem);
    this.#ca = ca;
    this.#caName = commonName(ca.certificatePem);
    this.#server = server;
    this.#serverFile = serverFile;
    this.#hosts = hosts;
    this.#clock = clock;
  }

  /** Reads the authority kept in `folder`, or makes it. Throws `authority_damaged` rather than replace a CA. */
  static async open(folder: string, { clock, advertise }: AuthorityOptions): Promise<Authority> {
    await makePrivateFolder(folder);
    const caFile = join(folder, 'ca.pem');
    const serverFile = join(folder, 'server.pem');
    const ca = (await read(caFile)) ?? (await write(caFile, await makeCa(clock)));
    const hosts = serverHosts(advertise);
    // Nothing is lost with it: the CA signs another.
    const kept = await read(serverFile).catch((error: unknown) => {
      if (isAppError(error, 'authority_damaged')) return undefined;
      throw error;
    });
    const server =
      kept && isServerFit(kept, ca, hosts, clock.now())
        ? kept
        : await write(serverFile, await makeServer(ca, hosts, clock));
    return new Authority({ ca, server, serverFile, hosts, clock });
  }

  get serverKeyPem(): string {
    return this.#server.keyPem;
  }

  /** Server certificate and the CA's, in this order: a device that knows the fingerprint alone finds the CA in it. */
  get serverCertPem(): string {
    return this.#server.certificatePem + this.caPem;
  }

  /** When the CA's and the server's certificate expire, milliseconds since the epoch. */
  get expiresAt(): { readonly ca: number; readonly server: number } {
    const end = (pem: string) => Date.parse(new X509Certificate(pem).validTo);
    return { ca: end(this.#ca.certificatePem), server: end(this.#server.certificatePem) };
  }

  /** Makes the server certificate anew when it ends soon or has not begun. Returns whether it did. */
  async renewServer(): Promise<boolean> {
    if (isServerFit(this.#server, this.#ca, this.#hosts, this.#clock.now())) return false;
    const made = await makeServer(this.#ca, this.#hosts, this.#clock);
    this.#server = await write(this.#serverFile, made);
    return true;
  }

  /** Takes the server certificate from its file, where that holds another one that will do, or makes it anew when it must. Returns whether it changed. */
  async reloadServer(): Promise<boolean> {
    const found = await read(this.#serverFile).catch(() => undefined);
    const isFit = found && isServerFit(found, this.#ca, this.#hosts, this.#clock.now());
    if (!isFit) return this.renewServer();
    if (found.certificatePem === this.#server.certificatePem) return false;
    this.#server = found;
    return true;
  }

  /** Signs the request of a device whose enrolment was granted. Throws `bad_csr`. */
  signDeviceCsr(csrPem: string, deviceId: string): DeviceCertificate {
    const publicKeyPem = readDeviceCsr(csrPem, deviceId);
    const now = this.#clock.now();
    const expiresAt = now + DEVICE_DAYS * DAY_MS;
    const { pem, serial, sha256 } = issueCertificate({
      commonName: deviceId,
      publicKeyPem,
      issuerName: this.#caName,
      issuerKeyPem: this.#ca.keyPem,
      notBefore: now - BACKDATE_MS,
      notAfter: expiresAt,
      purpose: 'device',
    });
    return { certificatePem: pem, serial, sha256, expiresAt };
  }
}

async function read(file: string): Promise<KeyedCertificate | undefined> {
  let text: string;
  try {
    text = String(await readRegularFile(file, limits.keyFileBytesMax));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const certificateAt = text.indexOf('-----BEGIN CERTIFICATE-----');
  const pair = { keyPem: text.slice(0, certificateAt), certificatePem: text.slice(certificateAt) };
  try {
    const certificate = new X509Certificate(pair.certificatePem);
    if (certificate.checkPrivateKey(createPrivateKey(pair.keyPem))) return pair;
  } catch (cause) {
    throw damaged(file, 'it does not contain a private key and a certificate in PEM', cause);
  }
  throw damaged(file, 'its key does not belong to its certificate');
}

/** One file for both, so that no crash leaves a key without its certificate. */
async function write(file: string, pair: KeyedCertificate): Promise<KeyedCertificate> {
  await writeFileAtomic(file, pair.keyPem + pair.certificatePem);
  return pair;
}

async function makeCa(clock: Clock): Promise<KeyedCertificate> {
  const { privateKey, publicKey } = await makeRsaKey();
  const name = `modelfleet hub ${randomBytes(4).toString('hex')}`;
  const { pem } = issueCertificate({
    commonName: name,
    publicKeyPem: publicKey,
    issuerName: name,
    issuerKeyPem: privateKey,
    notBefore: clock.now() - BACKDATE_MS,
    notAfter: clock.now() + CA_DAYS * DAY_MS,
    purpose: 'authority',
  });
  return { keyPem: privateKey, certificatePem: pem };
}

async function makeServer(
  ca: KeyedCertificate,
  hosts: readonly string[],
  clock: Clock,
): Promise<KeyedCertificate> {
  const { privateKey, publicKey } = await makeRsaKey();
  const { pem } = issueCertificate({
    commonName: 'modelfleet hub',
    publicKeyPem: publicKey,
    issuerName: commonName(ca.certificatePem),
    issuerKeyPem: ca.keyPem,
    notBefore: clock.now() - BACKDATE_MS,
    notAfter: clock.now() + SERVER_DAYS * DAY_MS,
    purpose: 'server',
    hosts,
  });
  return { keyPem: privateKey, certificatePem: pem };
}

/** True when the kept certificate is this CA's, names every host and has time left. */
function isServerFit(
  kept: KeyedCertificate,
  ca: KeyedCertificate,
  hosts: readonly string[],
  now: number,
): boolean {
  const certificate = new X509Certificate(kept.certificatePem);
  return (
    certificate.verify(new X509Certificate(ca.certificatePem).publicKey) &&
    Date.parse(certificate.validTo) - now > SERVER_DAYS_LEFT_MIN * DAY_MS &&
    Date.parse(certificate.validFrom) <= now &&
    hosts.every((host) =>
      isIP(host) ? certificate.checkIP(host) : certificate.checkHost(host, { subject: 'never' }),
    )
  );
}

/** Every name the hub may be called by. Throws `bad_input` on an advertised name that is none. */
function serverHosts(advertise: readonly string[]): string[] {
  for (const host of advertise) {
    if (HOST_PATTERN.test(host)) continue;
    throw new AppError('bad_input', `Cannot advertise "${host}": expected a host name or an address.`);
  }
  const own = hostname();
  const local = ['localhost', '127.0.0.1', '::1', ...(HOST_PATTERN.test(own) ? [own] : [])];
  return [...new Set([...local, ...advertise])];
}

function commonName(certificatePem: string): string {
  return new X509Certificate(certificatePem).subject.replace(/^CN=/, '');
}

function makeRsaKey(): Promise<{ publicKey: string; privateKey: string }> {
  return promisify(generateKeyPair)('rsa', {
    modulusLength: limits.rsaBitsMin,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
}

function damaged(file: string, what: string, cause?: unknown): AppError {
  return new AppError(
    'authority_damaged',
    `Cannot open the hub's certificate authority "${file}": ${what}.`,
    {
      cause,
    },
  );
}
