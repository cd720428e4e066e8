/** Times as people and programs write them: RFC 3339, with a zone. What could mean several instants is refused. */
import { AppError } from './app-error.ts';
import { excerpt } from './excerpt.ts';

const TIME =
  /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d{2}):(\d{2}))$/;

/** Milliseconds since the epoch. Throws `bad_input` naming `what`; a day that its month does not have is refused as well. */
export function parseTime(text: string, what: string): number {
  const ms = timeOf(text);
  if (ms !== undefined) return ms;
  throw new AppError(
    'bad_input',
    `Cannot read ${what} ${excerpt(text)}: expected a time with its zone, such as 2027-01-31T06:00:00Z or 2027-01-31T07:00:00+01:00.`,
  );
}

/** Undefined for what is no such time. */
export function timeOf(text: string): number | undefined {
  const match = TIME.exec(text);
  if (!match) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const [zoneHours, zoneMinutes] = [Number(match[9] ?? 0), Number(match[10] ?? 0)];
  if (hour > 23 || minute > 59 || second > 59 || zoneHours > 23 || zoneMinutes > 59) return undefined;
  const midnight = new Date(0);
  // Date.UTC takes the years 0 to 99 for those of the last century.
  midnight.setUTCFullYear(year, month - 1, day);
  if (midnight.getUTCMonth() !== month - 1 || midnight.getUTCDate() !== day) return undefined;
  const fraction = Math.floor(Number(`0.${match[7] ?? 0}`) * 1_000);
  const zone = (match[8] === '-' ? -1 : 1) * (zoneHours * 60 + zoneMinutes) * 60_000;
  return midnight.getTime() + ((hour * 60 + minute) * 60 + second) * 1_000 + fraction - zone;
}
