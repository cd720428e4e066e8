/**
 * Reads a device's certificate request (PKCS#10). The request is hostile until this file has returned: it must be
 * signed by the key it names, that key must be RSA of a sane size, and its subject must be the device and nothing else.
 */
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import forge from 'node-forge';
import { AppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { ownValue } from '../../shared/base/own-value.ts';

const digestBySignature: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.1.11': 'sha256',
  '1.2.840.113549.1.1.12': 'sha384',
  '1.2.840.113549.1.1.13': 'sha512',
};

/** Returns the public key (SPKI PEM) of a request that proves `deviceId`'s possession of it. Throws `bad_csr`. */
export function readDeviceCsr(csrPem: string, deviceId: string): string {
  const request = decode(csrPem);
  const digest = ownValue(digestBySignature, request.signatureOid);
  if (!digest) throw refusal('its signature is not RSA with SHA-256, SHA-384 or SHA-512');
  const key = readKey(request.publicKey);
  const { modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  if (modulusLength < limits.rsaBitsMin || modulusLength > limits.rsaBitsMax) {
    throw refusal(
      `its key has ${modulusLength} bits; expected ${limits.rsaBitsMin} to ${limits.rsaBitsMax} bits of RSA`,
    );
  }
  const signed = Buffer.from(forge.asn1.toDer(request.certificationRequestInfo).getBytes(), 'binary');
  if (!verify(digest, signed, key, Buffer.from(request.signature, 'binary'))) {
    throw refusal('it is not signed by the key that it contains');
  }
  const subject = request.subject.attributes;
  if (subject.length !== 1 || subject[0]?.name !== 'commonName' || subject[0].value !== deviceId) {
    throw refusal(`its subject must be the common name "${deviceId}" and nothing else`);
  }
  return key.export({ type: 'spki', format: 'pem' }).toString();
}

interface DecodedRequest extends forge.pki.CertificateSigningRequest {
  signatureOid: string;
  signature: string;
  certificationRequestInfo: forge.asn1.Asn1;
}

function decode(csrPem: string): DecodedRequest {
  try {
    return forge.pki.certificationRequestFromPem(csrPem, true, true) as DecodedRequest;
  } catch (cause) {
    throw refusal('it is not a PKCS#10 request in PEM with an RSA key', cause);
  }
}

function readKey(publicKey: DecodedRequest['publicKey']): KeyObject {
  try {
    return createPublicKey(forge.pki.publicKeyToPem(publicKey as forge.pki.rsa.PublicKey));
  } catch (cause) {
    throw refusal('its public key cannot be read', cause);
  }
}

function refusal(why: string, cause?: unknown): AppError {
  return new AppError('bad_csr', `Cannot sign the certificate request: ${why}.`, { cause });
}
