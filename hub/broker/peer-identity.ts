/** Who is at the other end of a connection, by the certificate that the TLS layer has verified. */

import type { TLSSocket } from 'node:tls';
import { DeviceId } from '../../shared/base/names.ts';
import { parser } from '../../shared/base/parse.ts';
import { sha256 } from '../../shared/digest/sha256.ts';

export interface PeerIdentity {
  readonly deviceId: string;
  readonly certificateSha256: string;
  readonly address: string | undefined;
}

const parseDeviceId = parser(DeviceId, 'certificate name');

/** Undefined when the certificate names no device. */
export function peerOf(socket: TLSSocket): PeerIdentity | undefined {
  const certificate = socket.getPeerX509Certificate();
  if (!certificate) return undefined;
  const name = /^CN=([^\n]*)$/.exec(certificate.subject)?.[1];
  try {
    return {
      deviceId: parseDeviceId(name),
      certificateSha256: sha256(certificate.raw),
      address: socket.remoteAddress,
    };
  } catch {
    return undefined;
  }
}
