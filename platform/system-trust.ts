/** The CAs that a program trusts whose user names none: those of Node, of the operating system, and of `NODE_EXTRA_CA_CERTS`. */
import { X509Certificate } from 'node:crypto';
import { getCACertificates } from 'node:tls';

/** PEM, each once. */
export function systemCas(): string[] {
  return [...new Set([...getCACertificates('default'), ...getCACertificates('system')])];
}

/** True for what TLS says of a certificate that it cannot trust, and of one that names another host. */
export function isTrustFault(error: unknown): boolean {
  return /CERT|SELF_SIGNED|UNABLE_TO_/.test(String((error as { code?: string } | undefined)?.code ?? ''));
}

/** The certificates in PEM text, or in several; what is none is left out. */
export function pemCertificates(pem: string | readonly string[]): X509Certificate[] {
  const blocks = [pem]
    .flat()
    .flatMap((text) => text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []);
  return blocks.flatMap((block) => {
    try {
      return [new X509Certificate(block)];
    } catch {
      return [];
    }
  });
}
