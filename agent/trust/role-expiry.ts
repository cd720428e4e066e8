/** When a metadata file that was verified expires. */

export const trustRoles = ['root', 'targets', 'publisher', 'snapshot', 'timestamp'] as const;

/** Milliseconds since the epoch; undefined when there is no such file, or it does not say. */
export function roleExpiry(file: string | undefined): number | undefined {
  if (file === undefined) return undefined;
  const { signed } = JSON.parse(file) as { signed?: { expires?: unknown } };
  const ms = typeof signed?.expires === 'string' ? Date.parse(signed.expires) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}
