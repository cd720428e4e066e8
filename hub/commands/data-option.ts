/** The data folder that a command works on: found as the running hub finds it, in flags, environment or `--config`. */
import type { Command } from 'commander';
import { loadOptions } from '../../platform/load-options.ts';
import { asUsage } from '../../platform/usage-value.ts';
import { hubOptionTable } from '../config/options-schema.ts';

/** Throws `bad_usage`. */
export async function dataOption(command: Command): Promise<string> {
  // The flags that the hub itself takes are parsed by the program, wherever they stand.
  const { json: _, newAdminToken: __, catchUp: ___, ...flags } = command.parent?.opts() ?? {};
  const sources = { envPrefix: 'MODELFLEET_HUB', env: process.env, flags };
  const { data } = await loadOptions(hubOptionTable, sources).catch((error: unknown) => {
    throw asUsage(error);
  });
  return data;
}
