/** Makes the device's key and the certificate request that proves it. The key never leaves the device. */
import { generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import forge from 'node-forge';
import { signRequest } from '../../platform/forge-signature.ts';
import { limits } from '../../shared/base/limits.ts';

export interface KeyAndCsr {
  readonly keyPem: string;
  /** PKCS#10, PEM. */
  readonly csrPem: string;
}

export async function makeKeyAndCsr(deviceId: string): Promise<KeyAndCsr> {
  const { privateKey, publicKey } = await promisify(generateKeyPair)('rsa', {
    modulusLength: limits.rsaBitsMin,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  return { keyPem: privateKey, csrPem: makeCsr(deviceId, publicKey, privateKey) };
}

export function makeCsr(commonName: string, publicKeyPem: string, privateKeyPem: string): string {
  const request = forge.pki.createCertificationRequest();
  request.publicKey = forge.pki.publicKeyFromPem(publicKeyPem);
  request.setSubject([{ name: 'commonName', value: commonName }]);
  return signRequest(request, privateKeyPem);
}
