/** Times in text for people: the form of RFC 3339 in UTC, cut short, so that it sorts and says its zone. */

/** `2026-11-22 00:39Z`, or with seconds `2026-11-22 00:39:02Z`. `ms` counts from the Unix epoch. */
export function timeText(ms: number, to: 'minute' | 'second' = 'minute'): string {
  const digits = to === 'minute' ? 16 : 19;
  return `${new Date(ms).toISOString().slice(0, digits).replace('T', ' ')}Z`;
}
