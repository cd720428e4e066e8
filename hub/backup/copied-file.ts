/** Copies one file of a hub or a backup, and returns the digest of what was written. */
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { asDiskError, makePrivateFolder } from '../../platform/atomic-file.ts';
import { openRegularFile } from '../../platform/regular-file.ts';

const PIECE_BYTES = 1024 * 1024;

/**
 * `to` is replaced, and readable by its owner alone. `flush`: it is on the disk when this resolves. Throws `disk_full`,
 * `file_unusable`, and the system's own error when there is no such file.
 */
export async function copyFileTo(from: string, to: string, { flush = false } = {}): Promise<string> {
  const source = await openRegularFile(from);
  try {
    await makePrivateFolder(dirname(to));
    const target = await open(to, 'w', 0o600);
    try {
      const hash = createHash('sha256');
      const piece = Buffer.allocUnsafe(PIECE_BYTES);
      for (;;) {
        const { bytesRead } = await source.read(piece, 0, PIECE_BYTES);
        if (bytesRead === 0) break;
        hash.update(piece.subarray(0, bytesRead));
        await target.writeFile(piece.subarray(0, bytesRead));
      }
      if (flush) await target.sync();
      return hash.digest('hex');
    } catch (error) {
      throw asDiskError(error, to);
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}
