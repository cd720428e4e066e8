import { AppError } from './app-error.ts';

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** Reads `500MiB`, `20 GiB`, `1.5TiB` or a number of bytes. Throws `bad_input` naming `what` when the text is no size. */
export function parseBytes(text: string, what = 'size'): number {
  const [, digits, unit = 'B'] = /^(\d{1,16}(?:\.\d{1,3})?) ?(B|KiB|MiB|GiB|TiB)?$/.exec(text) ?? [];
  const bytes = Math.floor(Number(digits) * 1024 ** units.indexOf(unit));
  if (Number.isSafeInteger(bytes)) return bytes;
  throw new AppError('bad_input', `Cannot read ${what} "${text}": expected a size such as 500MiB or 20GiB.`);
}

/** Byte counts as people read them: `12 B`, `3.4 KiB`, `1.2 MiB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
