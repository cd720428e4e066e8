/**
 * Makes X.509 certificates: node-forge lays out the structure, node:crypto signs it (forge signs in plain JavaScript and
 * would hold the event loop for 25 ms each). RSA with SHA-256 throughout, because forge knows no other keys.
 */

import {
  createHash,
  createPrivateKey,
  createPublicKey,
  randomBytes,
  sign,
  X509Certificate,
} from 'node:crypto';
import { isIP } from 'node:net';
import forge from 'node-forge';
import { sha256 } from '../../shared/digest/sha256.ts';

const SHA256_WITH_RSA = '1.2.840.113549.1.1.11';

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
  const pem = signWithNode(certificate, plan.issuerKeyPem);
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

/** What forge's types leave out: the fields its own `sign` fills. */
interface SignableCertificate {
  signatureOid: string;
  signature: string;
  siginfo: { algorithmOid: string };
  tbsCertificate: forge.asn1.Asn1;
}

function signWithNode(certificate: forge.pki.Certificate, issuerKeyPem: string): string {
  const signable = certificate as unknown as SignableCertificate;
  signable.signatureOid = SHA256_WITH_RSA;
  signable.siginfo.algorithmOid = SHA256_WITH_RSA;
  const layout = forge.pki as unknown as {
    getTBSCertificate(of: forge.pki.Certificate): forge.asn1.Asn1;
  };
  signable.tbsCertificate = layout.getTBSCertificate(certificate);
  const signed = Buffer.from(forge.asn1.toDer(signable.tbsCertificate).getBytes(), 'binary');
  signable.signature = sign('sha256', signed, issuerKeyPem).toString('binary');
  return forge.pki.certificateToPem(certificate).replaceAll('\r\n', '\n');
}
