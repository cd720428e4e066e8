/**
 * node-forge lays out certificates and requests, node:crypto signs them: forge signs in plain JavaScript and would hold the event
 * loop for 25 ms each. RSA with SHA-256 throughout, because forge knows no other keys.
 */
import { sign } from 'node:crypto';
import forge from 'node-forge';

const SHA256_WITH_RSA = '1.2.840.113549.1.1.11';

/** What forge's types leave out: fields that its own `sign` fills, and the functions that it lays a structure out with. */
interface Signable {
  signatureOid: string;
  signature: string;
  siginfo: { algorithmOid: string };
  tbsCertificate?: forge.asn1.Asn1;
  certificationRequestInfo?: forge.asn1.Asn1;
}
const layouts = forge.pki as unknown as {
  getTBSCertificate(of: forge.pki.Certificate): forge.asn1.Asn1;
  getCertificationRequestInfo(of: forge.pki.CertificateSigningRequest): forge.asn1.Asn1;
};

/** Signs `certificate` with the issuer's key (PEM) and returns it as PEM. */
export function signCertificate(certificate: forge.pki.Certificate, issuerKeyPem: string): string {
  const signable = begin(certificate);
  signable.tbsCertificate = layouts.getTBSCertificate(certificate);
  signable.signature = signatureOf(signable.tbsCertificate, issuerKeyPem);
  return unixLines(forge.pki.certificateToPem(certificate));
}

/** Signs `request` (PKCS#10) with its own key (PEM) and returns it as PEM. */
export function signRequest(request: forge.pki.CertificateSigningRequest, keyPem: string): string {
  const signable = begin(request);
  signable.certificationRequestInfo = layouts.getCertificationRequestInfo(request);
  signable.signature = signatureOf(signable.certificationRequestInfo, keyPem);
  return unixLines(forge.pki.certificationRequestToPem(request));
}

/** The algorithm is part of what is signed. */
function begin(structure: object): Signable {
  const signable = structure as Signable;
  signable.signatureOid = SHA256_WITH_RSA;
  signable.siginfo.algorithmOid = SHA256_WITH_RSA;
  return signable;
}

function signatureOf(layout: forge.asn1.Asn1, keyPem: string): string {
  const bytes = Buffer.from(forge.asn1.toDer(layout).getBytes(), 'binary');
  return sign('sha256', bytes, keyPem).toString('binary');
}

function unixLines(pem: string): string {
  return pem.replaceAll('\r\n', '\n');
}
