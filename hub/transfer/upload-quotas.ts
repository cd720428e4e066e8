/** Whether an upload still fits beside what is stored. Pure. */
import { AppError } from '../../shared/base/app-error.ts';
import { formatBytes } from '../../shared/base/bytes.ts';
import { formatDuration } from '../../shared/base/duration.ts';
import type { BlobTotal } from './blob-ledger-store.ts';

/** Options of the hub; bytes. */
export interface UploadQuotas {
  /** What no version names may take so much, of one token and of all. */
  readonly uploadMaxPerTokenBytes: number;
  readonly uploadMaxBytes: number;
  /** All blobs may take so much; Infinity when only the disk bounds them. */
  readonly storageMaxBytes: number;
  /** How long what no version names is kept. */
  readonly uploadKeptMs: number;
}

/** What a blob takes up beside its bytes: a file fills blocks of the disk, and has a row. A million of one byte each are no megabyte. */
const BLOB_BYTES = 4 * 1024;

export interface StoredBytes {
  readonly referenced: number;
  readonly unreferenced: number;
  /** Of the unreferenced, what somebody uploaded; the rest left with a version, or was found on the disk. */
  readonly uploaded: number;
}

/** What blobs take up, `BLOB_BYTES` of each included. */
export function storedBytes(totals: readonly BlobTotal[], uploadedBy?: string): StoredBytes {
  const stored = { referenced: 0, unreferenced: 0, uploaded: 0 };
  for (const total of totals) {
    const bytes = total.bytes + total.blobs * BLOB_BYTES;
    if (total.isReferenced) stored.referenced += bytes;
    else stored.unreferenced += bytes;
    if (total.uploadedBy !== '' && (uploadedBy ?? total.uploadedBy) === total.uploadedBy)
      stored.uploaded += bytes;
  }
  return stored;
}

/** Throws `upload_quota_exceeded` or `storage_quota_exceeded`, with the figures and what frees space. */
export function requireQuota({
  totals,
  uploadedBy,
  bytes: length,
  quotas,
}: {
  readonly totals: readonly BlobTotal[];
  readonly uploadedBy: string;
  readonly bytes: number;
  readonly quotas: UploadQuotas;
}): void {
  const bytes = length + BLOB_BYTES;
  const { referenced, unreferenced, uploaded } = storedBytes(totals);
  const own = storedBytes(totals, uploadedBy).uploaded;
  const { uploadMaxPerTokenBytes, uploadMaxBytes, storageMaxBytes, uploadKeptMs } = quotas;
  const leaves = `the hub deletes it ${formatDuration(uploadKeptMs)} after its last use`;
  if (own + bytes > uploadMaxPerTokenBytes) {
    throw new AppError(
      'upload_quota_exceeded',
      `Cannot store ${formatBytes(bytes)}: token "${uploadedBy}" has uploaded ${formatBytes(own)} that no version uses, and the limit is ${formatBytes(uploadMaxPerTokenBytes)} (--upload-max-per-token). Publish it, or wait: ${leaves}.`,
      { details: { stored: own, most: uploadMaxPerTokenBytes, token: uploadedBy } },
    );
  }
  if (uploaded + bytes > uploadMaxBytes) {
    throw new AppError(
      'upload_quota_exceeded',
      `Cannot store ${formatBytes(bytes)}: ${formatBytes(uploaded)} are uploaded that no version uses, and the limit is ${formatBytes(uploadMaxBytes)} (--upload-max). Publish your uploads, or wait: ${leaves}.`,
      { details: { stored: uploaded, most: uploadMaxBytes } },
    );
  }
  if (referenced + unreferenced + bytes > storageMaxBytes) {
    throw new AppError(
      'storage_quota_exceeded',
      `Cannot store ${formatBytes(bytes)}: versions use ${formatBytes(referenced)}, unused files ${formatBytes(unreferenced)}, and the limit is ${formatBytes(storageMaxBytes)} (--storage-max). Withdraw versions that no device runs, or raise the limit. "modelfleet hub gc --dry-run" lists what the hub would delete.`,
      { details: { referenced, unreferenced, most: storageMaxBytes } },
    );
  }
}
