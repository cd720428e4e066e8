/** A key of its own that signs which rows of an audit log have left. */
import { generateKeyPairSync } from 'node:crypto';
import { AuditCheckpoints } from '../../hub/audit/audit-checkpoint.ts';
import { keyIdOfKey } from '../../shared/tuf/ed25519-key.ts';

export function auditCheckpoints(): AuditCheckpoints {
  const { privateKey } = generateKeyPairSync('ed25519');
  return new AuditCheckpoints({ keyid: keyIdOfKey(privateKey), privateKey });
}
