/**
 * A program's options as one table: key, default, description, and how a value is read. Sources are laid over one another in the
 * order given (defaults first), each value is checked where it comes from, and the result is frozen.
 */
import { AppError } from '../shared/base/app-error.ts';
import { formatBytes, parseBytes } from '../shared/base/bytes.ts';
import { formatDuration, parseDuration } from '../shared/base/duration.ts';

export interface Option<T> {
  readonly default: T;
  /** The default as `--help` shows it, where that differs. */
  readonly shown?: string;
  /** What the option decides, for `--help`: lower case, no full stop, neither default nor choices. */
  readonly description: string;
  /** What stands for the value in `--help`. */
  readonly placeholder: string;
  /** Every value there is, where they can be listed. */
  readonly choices?: readonly string[];
  /** Reads text (flags, environment) or a decoded value (file). Throws `bad_input` that begins with `name`. */
  readonly read: (value: unknown, name: string) => T;
}

export type OptionTable = Readonly<Record<string, Option<unknown>>>;
export type OptionsOf<T extends OptionTable> = {
  readonly [K in keyof T]: T[K] extends Option<infer V> ? V : never;
};

export interface OptionSource {
  /** By public name. */
  readonly values: Readonly<Record<string, unknown>>;
  /** How this source spells a public name, for messages: `--http-port`, `MODELFLEET_HUB_HTTP_PORT`. */
  readonly spell: (key: string) => string;
}

/** Later sources win. Throws `bad_input` naming source, key, value found and value wanted. */
export function resolveOptions<const T extends OptionTable>(
  table: T,
  sources: readonly OptionSource[],
): OptionsOf<T> {
  const options = Object.entries(table);
  const resolved = new Map<string, unknown>(options.map(([key, option]) => [key, option.default]));
  const byName = new Map(options.map(([key, option]) => [publicName(key), { key, option }]));
  for (const { values, spell } of sources) {
    for (const [name, value] of Object.entries(values)) {
      const known = byName.get(name);
      if (known === undefined) {
        throw new AppError(
          'bad_input',
          `Cannot use option ${spell(name)}: the option does not exist. Expected one of ${[...byName.keys()].join(', ')}.`,
        );
      }
      if (value !== undefined) resolved.set(known.key, known.option.read(value, spell(name)));
    }
  }
  return Object.freeze(Object.fromEntries(resolved)) as OptionsOf<T>;
}

/** What an operator calls an option: `telemetryBucketMs` → `telemetryBucket`, for durations and sizes are written with their unit. */
export function publicName(key: string): string {
  return key.replace(/(?:Ms|Bytes)$/, '');
}

/** `httpPort` → `http-port`. */
export function kebabCase(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

export function textOption(value: string, description: string, placeholder = 'TEXT'): Option<string> {
  return {
    default: value,
    description,
    placeholder,
    read: (found, name) => (typeof found === 'string' && found !== '' ? found : refuse(name, found, 'text')),
  };
}

export interface Bounds {
  readonly min: number;
  readonly max: number;
}

export function integerOption(value: number, { min, max }: Bounds, description: string): Option<number> {
  return {
    default: value,
    description,
    placeholder: 'N',
    read: (found, name) => {
      const number = typeof found === 'string' && /^-?\d+$/.test(found) ? Number(found) : found;
      if (typeof number === 'number' && Number.isInteger(number) && number >= min && number <= max)
        return number;
      return refuse(name, found, `a whole number from ${min} to ${max}`);
    },
  };
}

interface DurationBounds extends Bounds {
  /** The duration must go into this one a whole number of times. */
  readonly divides?: number;
}

/** Milliseconds; read as a number of them or as `10s`, `5m`, `1h30m`. */
export function durationOption(
  valueMs: number,
  { min, max, divides }: DurationBounds,
  description: string,
): Option<number> {
  return {
    default: valueMs,
    shown: formatDuration(valueMs),
    description,
    placeholder: 'DURATION',
    read: (found, name) => {
      const text = typeof found === 'string' && !/^\d+$/.test(found);
      const ms = text ? parseDuration(found, name) : Number(found);
      const fits = divides === undefined || divides % ms === 0;
      if (Number.isFinite(ms) && ms >= min && ms <= max && fits) return ms;
      const rule = divides === undefined ? '' : ` that divides ${formatDuration(divides)}`;
      return refuse(name, found, `a duration from ${formatDuration(min)} to ${formatDuration(max)}${rule}`);
    },
  };
}

/** Bytes; read as a number of them or as `500MiB`, `20GiB`; as `none`, without a bound, where `none` is the default. */
export function bytesOption(value: number, { min, max }: Bounds, description: string): Option<number> {
  const mayBeNone = value === Number.POSITIVE_INFINITY;
  return {
    default: value,
    shown: mayBeNone ? 'none' : formatBytes(value).replace('.0', '').replace(' ', ''),
    description,
    placeholder: 'SIZE',
    read: (found, name) => {
      if (mayBeNone && found === 'none') return value;
      const bytes = typeof found === 'string' ? parseBytes(found, name) : Number(found);
      if (Number.isSafeInteger(bytes) && bytes >= min && bytes <= max) return bytes;
      return refuse(
        name,
        found,
        `a size from ${formatBytes(min)} to ${formatBytes(max)}${mayBeNone ? ', or none' : ''}`,
      );
    },
  };
}

/** Comma-separated text or a list of texts, at least one. */
export function listOption(
  value: readonly string[],
  pattern: RegExp,
  wanted: string,
  description: string,
): Option<readonly string[]> {
  return {
    default: value,
    description,
    placeholder: 'A,B,…',
    read: (found, name) => {
      const list = typeof found === 'string' ? found.split(',').map((item) => item.trim()) : found;
      if (
        Array.isArray(list) &&
        list.length > 0 &&
        list.every((i) => typeof i === 'string' && pattern.test(i))
      ) {
        return list as string[];
      }
      return refuse(name, found, wanted);
    },
  };
}

/** One of `choices`. `--help` shows them after the description: in the placeholder they would leave it no space. */
export function choiceOption<const T extends string>(
  value: T,
  choices: readonly T[],
  description: string,
  placeholder: string,
): Option<T> {
  return {
    default: value,
    description,
    placeholder,
    choices,
    read: (found, name) =>
      choices.find((choice) => choice === found) ?? refuse(name, found, choices.join(', ')),
  };
}

function refuse(name: string, found: unknown, wanted: string): never {
  const text = JSON.stringify(found)?.slice(0, 100) ?? String(found);
  throw new AppError('bad_input', `Cannot use ${name} ${text}: expected ${wanted}.`);
}
