/** Runs the `modelfleet` command as a user would: a process with a login file of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { programEntry } from './programs.ts';

const main = programEntry('cli/main');

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `config`: path of the login file. */
export async function runCli(
  config: string,
  args: readonly string[],
  { env = {}, input = '' }: { readonly env?: NodeJS.ProcessEnv; readonly input?: string } = {},
): Promise<CliResult> {
  const child = spawn(process.execPath, [main, ...args], {
    env: { ...process.env, MODELFLEET_CONFIG: config, ...env },
  });
  child.stdin.on('error', () => undefined).end(input);
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ]);
  return { code: code as number | null, stdout, stderr };
}
