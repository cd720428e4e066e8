import type { HttpErrorCode } from '../../shared/errors/catalogue.ts';

/** What the hub refuses publisher metadata with, whichever request brings it. */
export const publisherMetadataErrors: readonly HttpErrorCode[] = [
  'trust_not_initialised',
  'signature_invalid',
  'metadata_stale',
  'metadata_invalid',
  'metadata_expired',
];
