import { createHash } from 'node:crypto';
import { openRegularFile } from './regular-file.ts';

/** SHA-256 of a regular file as lower-case hex, read in pieces. `links`: a symbolic link is followed. */
export async function sha256OfFile(
  path: string,
  options: { readonly links?: boolean } = {},
): Promise<string> {
  const hash = createHash('sha256');
  const file = await openRegularFile(path, options);
  // The stream closes the file.
  for await (const piece of file.createReadStream()) hash.update(piece as Uint8Array);
  return hash.digest('hex');
}
