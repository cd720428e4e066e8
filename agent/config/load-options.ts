/** The agent's options: defaults, then `agent.yaml` in the data folder (or `--config`), then environment, then flags. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { loadOptions } from '../../platform/load-options.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { type AgentOptions, agentOptionTable } from './options-schema.ts';

export const agentEnvPrefix = 'MODELFLEET_AGENT';

/** Throws `bad_input` naming the source and the key at fault. */
export async function loadAgentOptions(
  flags: Readonly<Record<string, unknown>>,
  env: NodeJS.ProcessEnv,
): Promise<AgentOptions> {
  const named = flags['config'] ?? env[`${agentEnvPrefix}_CONFIG`];
  const own = join(dataFolderOf(flags, env), 'agent.yaml');
  const config = named ?? ((await isThere(own)) ? own : undefined);
  return loadOptions(agentOptionTable, {
    envPrefix: agentEnvPrefix,
    env,
    flags: { ...flags, ...(config !== undefined && { config }) },
  });
}

/** Throws `bad_input` for what would be waited for, such as a pipe. */
async function isThere(file: string): Promise<boolean> {
  const found = await stat(file).catch(() => undefined);
  if (found === undefined || found.isFile()) return found !== undefined;
  throw new AppError('bad_input', `Cannot read the options in "${file}": it is not a regular file.`);
}

/** The data folder by flag or environment, for the commands that need no other option. */
export function dataFolderOf(flags: { readonly data?: unknown }, env: NodeJS.ProcessEnv): string {
  return String(flags.data ?? (env[`${agentEnvPrefix}_DATA`] || agentOptionTable.data.default));
}
