/**
 * Codes of faults that lie with the hub or the way to it (promise P5): a device waits them out uncounted, and the hub never
 * counts them against the device or the version.
 */
export const hubFaults: ReadonlySet<string> = new Set([
  'link_lost',
  'link_refused',
  'version_not_offered',
  'trust_unavailable',
  'metadata_expired',
]);
