/**
 * Who this device is: the files that enrolment left in `identity/`. `device.json` is written last, so a folder without it
 * was never enrolled, whatever else lies there.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { type Static, Type } from 'typebox';
import { readRegularFile, unreadableReason } from '../../platform/regular-file.ts';
import { AppError, errorText } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { DeviceId, GroupName } from '../../shared/base/names.ts';
import { jsonParser } from '../../shared/base/parse.ts';
import { MqttAddress } from '../../shared/protocol/enrolment.ts';

export const DeviceFile = Type.Object({
  v: Type.Literal(1),
  device: DeviceId,
  group: GroupName,
  /** Base URL of the hub's REST API. */
  hub: Type.String({ maxLength: 300 }),
  mqtt: MqttAddress,
});
export type DeviceFile = Static<typeof DeviceFile>;
const FILE_BYTES_MAX = limits.controlMessageBytesMax;
const parseDeviceFile = jsonParser(DeviceFile, 'device identity', FILE_BYTES_MAX, 'identity_damaged');

export interface DeviceIdentity extends DeviceFile {
  readonly keyPem: string;
  readonly certificatePem: string;
  readonly caPem: string;
  /** When the certificate begins and ends, milliseconds since the epoch. */
  readonly certificateFrom: number;
  readonly certificateExpiresAt: number;
  /** Why no connection can be made with it; see damaged-identity.ts. */
  readonly damage?: AppError;
}

export const identityFiles = {
  device: 'device.json',
  key: 'key.pem',
  certificate: 'cert.pem',
  ca: 'ca.pem',
} as const;

/** Where the identity lies in the agent's data folder. */
export function identityFolder(dataFolder: string): string {
  return join(dataFolder, 'identity');
}

/** Throws `not_enrolled`, `identity_damaged`. Time is not looked at: see `checkCertificateTime`. */
export async function loadIdentity(dataFolder: string): Promise<DeviceIdentity> {
  const folder = identityFolder(dataFolder);
  const device = await readDeviceFile(dataFolder);
  const [keyPem, certificatePem, caPem] = await Promise.all([
    readPem(folder, identityFiles.key),
    readPem(folder, identityFiles.certificate),
    readPem(folder, identityFiles.ca),
  ]);
  const certificate = checkIdentity({ device: device.device, keyPem, certificatePem, caPem });
  return {
    ...device,
    keyPem,
    certificatePem,
    caPem,
    certificateFrom: Date.parse(certificate.validFrom),
    certificateExpiresAt: Date.parse(certificate.validTo),
  };
}

/** Checks that the certificate is the device's, its key's and the CA's. Throws `identity_damaged`. */
export function checkIdentity(parts: {
  readonly device: string;
  readonly keyPem: string;
  readonly certificatePem: string;
  readonly caPem: string;
}): X509Certificate {
  try {
    const certificate = new X509Certificate(parts.certificatePem);
    const ca = new X509Certificate(parts.caPem);
    if (certificate.subject !== `CN=${parts.device}`) throw new Error('it names another device');
    if (!certificate.checkPrivateKey(createPrivateKey(parts.keyPem))) throw new Error('it is not of our key');
    if (!ca.ca || !certificate.checkIssued(ca) || !certificate.verify(ca.publicKey)) {
      throw new Error('it is not signed by the CA of the hub');
    }
    return certificate;
  } catch (cause) {
    throw new AppError(
      'identity_damaged',
      `Cannot use the certificate of device "${parts.device}": ${errorText(cause)}.`,
      { cause },
    );
  }
}

/** True when the data folder holds an identity. */
export async function isEnrolled(dataFolder: string): Promise<boolean> {
  try {
    await readRegularFile(join(identityFolder(dataFolder), identityFiles.device), FILE_BYTES_MAX);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** Throws `not_enrolled`, `identity_damaged`, `file_unusable`. */
export async function readDeviceFile(dataFolder: string): Promise<DeviceFile> {
  const folder = identityFolder(dataFolder);
  try {
    return parseDeviceFile(await readRegularFile(join(folder, identityFiles.device), FILE_BYTES_MAX));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
    throw new AppError(
      'not_enrolled',
      `Cannot find a device identity in "${folder}": the device is not enrolled.`,
    );
  }
}

async function readPem(folder: string, name: string): Promise<string> {
  try {
    return String(await readRegularFile(join(folder, name), FILE_BYTES_MAX));
  } catch (cause) {
    throw new AppError(
      'identity_damaged',
      `Cannot read "${join(folder, name)}" of the device identity: ${unreadableReason(cause)}.`,
      { cause },
    );
  }
}
