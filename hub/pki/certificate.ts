/** Makes X.509 certificates. */

import { createHash, createPrivateKey, createPublicKey, randomBytes, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import forge from 'node-forge';
import { signCertificate } from '../../platform/forge-signature.ts';
import { sha256 } from '../../shared/digest/sha256.ts';

export interface CertificatePlan {
  readonly commonName: string;
  /** The subject's public key, PEM. */
  readonly publicKeyPem: string;
  /** Name of the CA that signs; the subject itself for a root. */
  readonly issuerName: string;
  /** The key that signs, PEM. */
  readonly issuerKeyPem: string;
  readonly notBefore: number;
  readonly notAfter: number;
  /** `authority` may sign others, `server` proves a host, `device` proves a client; none can stand in for another. */
  readonly purpose: 'authority' | 'server' | 'device';
  /** Host names and addresses of a server. */
  readonly hosts?: readonly string[];
}

export interface IssuedCertificate {
  readonly pem: string;
  /** Lower-case hex. */
  readonly serial: string;
  /** SHA-256 of the DER, lower-case hex. */
  readonly sha256: string;
}

export function issueCertificate(plan: CertificatePlan): IssuedCertificate {
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.publicKeyFromPem(plan.publicKeyPem);
  certificate.serialNumber = newSerial();
  certificate.validity.notBefore = new Date(plan.notBefore);
  certificate.validity.notAfter = new Date(plan.notAfter);
  certificate.setSubject([{ name: 'commonName', value: plan.commonName }]);
  certificate.setIssuer([{ name: 'commonName', value: plan.issuerName }]);
  certificate.setExtensions(extensionsOf(plan));
  const pem = signCertificate(certificate, plan.issuerKeyPem);
  return { pem, serial: certificate.serialNumber, sha256: certificateSha256(pem) };
}

/** SHA-256 of a certificate's DER, lower-case hex. */
export function certificateSha256(pem: string): string {
  return sha256(new X509Certificate(pem).raw);
}

/** 128 random bits, positive and never zero (RFC 5280 §4.1.2.2). */
function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0]! & 0x3f) | 0x40;
  return bytes.toString('hex');
}

function extensionsOf({ purpose, hosts, issuerKeyPem }: CertificatePlan): object[] {
  const identifiers = [
    { name: 'subjectKeyIdentifier' },
    { name: 'authorityKeyIdentifier', keyIdentifier: keyIdentifier(issuerKeyPem) },
  ];
  if (purpose === 'authority') {
    return [
      { name: 'basicConstraints', cA: true, pathLenConstraint: 0, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
      { name: 'subjectKeyIdentifier' },
    ];
  }
  return [
    { name: 'basicConstraints', cA: false, critical: true },
    { name: 'keyUsage', digitalSignature: true, keyEncipherment: purpose === 'server', critical: true },
    { name: 'extKeyUsage', serverAuth: purpose === 'server', clientAuth: purpose === 'device' },
    ...(hosts ? [{ name: 'subjectAltName', altNames: hosts.map(altName) }] : []),
    ...identifiers,
  ];
}

function altName(host: string): object {
  return isIP(host) ? { type: 7, ip: host } : { type: 2, value: host };
}

/** SHA-1 of the public key, as RFC 5280 §4.2.1.2 method 1 says; a name, not a protection. */
function keyIdentifier(privateKeyPem: string): string {
  const pkcs1 = createPublicKey(createPrivateKey(privateKeyPem)).export({ type: 'pkcs1', format: 'der' });
  return createHash('sha1').update(pkcs1).digest('binary');
}
