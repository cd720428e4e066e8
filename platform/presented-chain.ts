/** The certificates that a TLS server presents, and which of them a CA issued. What is in them is unverified and hostile. */
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls';

const CHAIN_MAX = 8;
/** Extended key usage "serverAuth" (RFC 5280, 4.2.1.12). */
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';

/** Leaf first. */
export function presentedChain(socket: TLSSocket): X509Certificate[] {
  const chain: X509Certificate[] = [];
  let certificate: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  while (certificate?.raw && chain.length < CHAIN_MAX) {
    chain.push(new X509Certificate(certificate.raw));
    // A self-signed certificate is its own issuer.
    if (certificate.issuerCertificate === certificate) break;
    certificate = certificate.issuerCertificate;
  }
  return chain;
}

/**
 * All that TLS checks of a server's chain except the time: text of what is wrong, or the certificates whose time counts, from
 * the server's own to the CA that issued the last of them.
 */
export function verifiedPath(
  chain: readonly X509Certificate[],
  cas: readonly X509Certificate[],
  host: string,
): string | readonly X509Certificate[] {
  const [server] = chain;
  if (!server || server.ca) return 'it presents no certificate of a server';
  if (server.keyUsage && !server.keyUsage.includes(SERVER_AUTH)) return 'its certificate is not for a server';
  const isNamed = isIP(host) ? server.checkIP(host) : server.checkHost(host, { subject: 'never' });
  if (!isNamed) return `its certificate does not name "${host}"`;
  const path = [server];
  for (const next of [...chain.slice(1), undefined]) {
    const last = path.at(-1)!;
    const ca = cas.find((one) => isIssuedBy(last, one));
    if (ca) return [...path, ca];
    if (!next || !isIssuedBy(last, next)) break;
    path.push(next);
  }
  return 'its certificate is not signed by the CA';
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}
