/**
 * Where a program's options come from, weakest first: the table's defaults, a file (`--config FILE`, YAML or JSON), environment
 * variables `<PREFIX>_<KEY>`, flags.
 */
import { type Command, Option } from 'commander';
import { AppError, errorText, isAppError } from '../shared/base/app-error.ts';
import { ownValue } from '../shared/base/own-value.ts';
import { kebabCase, type OptionsOf, type OptionTable, publicName, resolveOptions } from './option-table.ts';
import { readGivenFile } from './regular-file.ts';

export interface OptionSources {
  /** `MODELFLEET_HUB`: variables are `MODELFLEET_HUB_HTTP_PORT`, … */
  readonly envPrefix: string;
  readonly env: NodeJS.ProcessEnv;
  /** Flags by key, as commander parsed them; `config` names the file. */
  readonly flags: Readonly<Record<string, unknown>>;
}

const CONFIG_BYTES_MAX = 256 * 1024;

/**
 * Adds `--config` and a flag per option. The values come back from `command.opts()`, which `loadOptions` takes. `configDefault`:
 * what is read without `--config`, for help.
 */
export function addOptionFlags(command: Command, table: OptionTable, configDefault = 'none'): Command {
  command.option('--config <FILE>', `YAML or JSON file with options (default: ${configDefault})`);
  for (const [key, { default: value, shown, description, placeholder, choices }] of Object.entries(table)) {
    const text = shown ?? (Array.isArray(value) ? value.join(',') : String(value));
    const option = new Option(
      `--${kebabCase(publicName(key))} <${placeholder}>`,
      `${description}${text ? ` (default: ${text})` : ''}`,
    );
    // For help and completion alone: the table checks the value, from whatever source it comes.
    if (choices) option.argChoices = [...choices];
    command.addOption(option);
  }
  return command;
}

/** For the end of a help: the other sources of options, strongest first. */
export function optionSourcesText(envPrefix: string): string {
  return `
Options with a value may also be set in the file of --config (logLevel: debug)
or as ${envPrefix}_LOG_LEVEL. A flag wins over a variable, and a
variable over the file.`;
}

/** Frozen options. Throws `bad_input` naming the source and the key at fault. */
export async function loadOptions<const T extends OptionTable>(
  table: T,
  { envPrefix, env, flags }: OptionSources,
): Promise<OptionsOf<T>> {
  const variable = (key: string) => `${envPrefix}_${kebabCase(key).replaceAll('-', '_').toUpperCase()}`;
  const file = flags['config'] ?? ownValue(env, `${envPrefix}_CONFIG`);
  const ours = (values: Readonly<Record<string, unknown>>, name: (key: string) => string) =>
    Object.fromEntries(
      Object.keys(table)
        .map(publicName)
        .map((key) => [key, ownValue(values, name(key)) || undefined]),
    );
  return resolveOptions(table, [
    ...(typeof file === 'string' && file !== ''
      ? [{ values: await readConfig(file), spell: (key: string) => `"${key}" of ${file}` }]
      : []),
    { values: ours(env, variable), spell: variable },
    { values: ours(flags, (key) => key), spell: (key) => `--${kebabCase(key)}` },
  ]);
}

async function readConfig(file: string): Promise<Record<string, unknown>> {
  let value: unknown;
  try {
    const bytes = await readGivenFile(file, CONFIG_BYTES_MAX);
    // Loaded here: most programs are started without a file.
    const { parseYaml } = await import('./yaml-text.ts');
    value = parseYaml(bytes.toString('utf8'));
  } catch (cause) {
    if (isAppError(cause)) throw new AppError('bad_input', cause.message, { cause });
    throw new AppError('bad_input', `Cannot read the options in "${file}": ${errorText(cause)}.`, { cause });
  }
  if (value === null) return {};
  if (typeof value === 'object' && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new AppError(
    'bad_input',
    `Cannot read the options in "${file}": expected lines of the form "key: value".`,
  );
}
