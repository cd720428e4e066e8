/** Durations as people write them (`500ms`, `10s`, `10m`, `1h30m`, `7d`) and as code keeps them: milliseconds. */
import { AppError } from './app-error.ts';

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** What `parseDuration` takes, for schemas. */
export const durationPattern = '^(?:\\d+(?:\\.\\d+)?(?:ms|s|m|h|d))+$';

/** Parses a duration into milliseconds. Throws `bad_input` naming `what` when the text is no duration. */
export function parseDuration(text: string, what = 'duration'): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)];
  if (parts.length === 0 || parts.map((p) => p[0]).join('') !== text) {
    throw new AppError(
      'bad_input',
      `Cannot read ${what} "${text}": expected a duration such as 500ms, 10s, 5m, 1h30m or 7d.`,
    );
  }
  return parts.reduce((sum, part) => sum + Number(part[1]) * UNIT_MS[part[2] as keyof typeof UNIT_MS], 0);
}

/** Writes milliseconds in at most two units: `1h 30m`, `12s`, `350ms`. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)}ms`;
  const units = ['d', 'h', 'm', 's'] as const;
  let rest = Math.round(ms / 1_000) * 1_000;
  const parts: string[] = [];
  for (const unit of units) {
    const count = Math.floor(rest / UNIT_MS[unit]);
    rest -= count * UNIT_MS[unit];
    if (count > 0) parts.push(`${count}${unit}`);
    if (parts.length === 2) break;
  }
  return parts.join(' ');
}
