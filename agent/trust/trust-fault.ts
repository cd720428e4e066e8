/** Names what tuf-js throws by the codes of the catalogue. */

import { LengthOrHashMismatchError, UnsignedMetadataError } from '@tufjs/models/dist/error.js';
import { BadVersionError, ExpiredMetadataError } from 'tuf-js/dist/error.js';
import { AppError, errorText } from '../../shared/base/app-error.ts';

/** `nowMs` is the time the metadata was judged at: a wrong clock is the first thing to look at. */
export function asTrustError(error: unknown, nowMs: number): AppError {
  if (error instanceof AppError) return error;
  const text = errorText(error);
  if (text.includes('Failed to persist metadata')) {
    const code = /ENOSPC|EDQUOT/.test(text) ? 'disk_full' : 'internal';
    return new AppError(code, `Cannot store verified trust metadata: ${text}.`, { cause: error });
  }
  if (error instanceof ExpiredMetadataError) {
    return new AppError(
      'metadata_expired',
      `Cannot trust the hub's metadata: ${text}. The clock of this device shows ${new Date(nowMs).toISOString()}. Installed versions keep running; new ones wait.`,
      { cause: error },
    );
  }
  if (error instanceof BadVersionError) {
    return new AppError('metadata_rolled_back', `Cannot trust the hub's metadata: ${text}.`, {
      cause: error,
    });
  }
  const code =
    error instanceof UnsignedMetadataError || error instanceof LengthOrHashMismatchError
      ? 'signature_invalid'
      : 'metadata_invalid';
  return new AppError(code, `Cannot trust the hub's metadata: ${text}.`, { cause: error });
}
