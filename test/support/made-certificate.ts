/** A CA of the test's own and a server certificate of it, as an operator brings them. */
import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { certificateSha256, issueCertificate } from '../../hub/pki/certificate.ts';

export interface MadeCertificate {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
  readonly caPem: string;
  readonly caSha256: string;
  readonly sha256: string;
}

function rsaKey(): { readonly publicKey: string; readonly privateKey: string } {
  return generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
}

/** Writes `rest.pem`, `rest.key` and `company-ca.pem` to the folder; `withRoot`: the chain in `rest.pem` ends in the CA. */
export async function makeCertificate(
  folder: string,
  { hosts = ['localhost', '127.0.0.1'], withRoot = false, days = 90 } = {},
): Promise<MadeCertificate> {
  const [ca, server] = [rsaKey(), rsaKey()];
  const now = Date.now();
  const issuer = { issuerName: 'company CA', issuerKeyPem: ca.privateKey, notBefore: now - 100 * 86_400_000 };
  const root = issueCertificate({
    ...issuer,
    commonName: 'company CA',
    publicKeyPem: ca.publicKey,
    notAfter: now + 3_650 * 86_400_000,
    purpose: 'authority',
  });
  const leaf = issueCertificate({
    ...issuer,
    commonName: 'fleet',
    publicKeyPem: server.publicKey,
    notAfter: now + days * 86_400_000,
    purpose: 'server',
    hosts,
  });
  const [certFile, keyFile, caFile] = ['rest.pem', 'rest.key', 'company-ca.pem'].map((name) =>
    join(folder, name),
  ) as [string, string, string];
  await writeFile(certFile, withRoot ? leaf.pem + root.pem : leaf.pem);
  await writeFile(keyFile, server.privateKey, { mode: 0o600 });
  await writeFile(caFile, root.pem);
  return {
    certFile,
    keyFile,
    caFile,
    caPem: root.pem,
    caSha256: certificateSha256(root.pem),
    sha256: leaf.sha256,
  };
}
