import { createHash } from 'node:crypto';
import { openRegularFile } from '../../platform/regular-file.ts';

/** SHA-256 as lower-case hex. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** SHA-256 of a file, read in pieces. */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  const file = await openRegularFile(path);
  // The stream closes the file.
  for await (const part of file.createReadStream()) hash.update(part as Uint8Array);
  return hash.digest('hex');
}
