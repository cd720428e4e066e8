/** Makes the device's key and the certificate request that proves it. The key never leaves the device. */
import { generateKeyPair, sign } from 'node:crypto';
import { promisify } from 'node:util';
import forge from 'node-forge';
import { limits } from '../../shared/base/limits.ts';

const SHA256_WITH_RSA = '1.2.840.113549.1.1.11';

/** What forge's types leave out: the fields its own `sign` fills. */
interface SignableRequest {
  signatureOid: string;
  signature: string;
  siginfo: { algorithmOid: string };
  certificationRequestInfo: forge.asn1.Asn1;
}

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

/** forge lays the request out; node:crypto signs it, which takes a hundredth of forge's time. */
export function makeCsr(commonName: string, publicKeyPem: string, privateKeyPem: string): string {
  const request = forge.pki.createCertificationRequest();
  request.publicKey = forge.pki.publicKeyFromPem(publicKeyPem);
  request.setSubject([{ name: 'commonName', value: commonName }]);
  const signable = request as unknown as SignableRequest;
  const layout = forge.pki as unknown as {
    getCertificationRequestInfo(of: forge.pki.CertificateSigningRequest): forge.asn1.Asn1;
  };
  signable.signatureOid = SHA256_WITH_RSA;
  signable.siginfo.algorithmOid = SHA256_WITH_RSA;
  signable.certificationRequestInfo = layout.getCertificationRequestInfo(request);
  const signed = Buffer.from(forge.asn1.toDer(signable.certificationRequestInfo).getBytes(), 'binary');
  signable.signature = sign('sha256', signed, privateKeyPem).toString('binary');
  return forge.pki.certificationRequestToPem(request).replaceAll('\r\n', '\n');
}
