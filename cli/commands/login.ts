/** `modelfleet login`, `logout`, `whoami`: who the user is to which hub. */

import { Command } from 'commander';
import { fetchCa, normalizeFingerprint } from '../../platform/pinned-tls.ts';
import { readTokenFlags, type SecretFlags } from '../../platform/secret-input.ts';
import { usageValue } from '../../platform/usage-value.ts';
import { Caller } from '../../shared/api/access.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { ownValue } from '../../shared/base/own-value.ts';
import { answerParser } from '../answer-parser.ts';
import { addYesFlag, confirm } from '../confirm.ts';
import type { CliContext } from '../context.ts';
import { countText } from '../count-text.ts';
import { findHubAccess, hubOrigin, readCa, requireContext } from '../hub-access.ts';
import { contextName, type Logins, loginFilePath, readLogins, writeLogins } from '../login-file.ts';
import { named } from './context.ts';

const parseMe = answerParser(Caller);

export function loginCommand(context: CliContext): Command {
  return new Command('login')
    .description('verify a hub and an API token, and save both as the current login')
    .argument('<url>', 'URL of the hub, such as https://hub.example:7443')
    .option(
      '--token-file <FILE>',
      'file with the API token; - for standard input (required unless --token is given)',
    )
    .option('--token <TOKEN>', 'the API token itself; other users of the machine can read it')
    .option('--ca-fingerprint <SHA256>', 'SHA-256 of the CA of the hub, which the hub prints when it starts')
    .option(
      '--ca-file <FILE>',
      'CAs that verify the hub instead of a fingerprint, PEM (default: those of the system)',
    )
    .option('--name <NAME>', 'name of this login (default: host and port of the hub)')
    .action(async (urlText: string, flags: LoginFlags) => {
      const url = hubOrigin(urlText);
      const token = await readTokenFlags(flags);
      if (token === undefined)
        throw new AppError(
          'bad_usage',
          'Cannot log in: no token was given. Use --token-file FILE, or --token-file - for standard input.',
        );
      // The hub proves itself before the token leaves this machine.
      const ca = await caOf(url, flags);
      const { HttpHubClient } = await import('../hub-client.ts');
      const client = new HttpHubClient({ url, token, ...(ca !== undefined && { ca }) });
      try {
        const me = parseMe(await client.get('/me'));
        const path = loginFilePath(process.env);
        const logins = await readLogins(path);
        const login = { token, ...(ca !== undefined && { ca }) };
        const name = flags.name ?? ownValue(logins.hubs, url)?.name;
        const added = { ...logins, current: url, hubs: { ...logins.hubs, [url]: login } };
        await writeLogins(path, name === undefined ? added : named(added, url, name));
        context
          .printer()
          .result({ hub: url, ...me }, () => `Logged in to ${url} as "${me.name}" (${me.role}).`);
      } finally {
        await client.close();
      }
    });
}

interface LoginFlags extends SecretFlags {
  readonly caFingerprint?: string;
  readonly caFile?: string;
  readonly name?: string;
}

/** What verifies the hub from now on, PEM; undefined for the CAs of the system. */
async function caOf(url: string, { caFingerprint, caFile }: LoginFlags): Promise<string | undefined> {
  if (caFingerprint !== undefined && caFile !== undefined)
    throw new AppError('bad_usage', 'Cannot use --ca-fingerprint and --ca-file together. Use one of them.');
  if (caFingerprint !== undefined)
    return fetchCa(
      url,
      usageValue(() => normalizeFingerprint(caFingerprint)),
    );
  return caFile === undefined ? undefined : readCa(caFile, '--ca-file');
}

interface LogoutFlags {
  readonly all?: boolean;
  readonly yes?: boolean;
}

export function logoutCommand(context: CliContext): Command {
  const logout = new Command('logout')
    .description('delete a saved login; its token stays valid until it is revoked')
    .argument('[context]', 'name of the login, or URL of its hub (default: the current one)')
    .option('--all', 'delete every saved login');
  return addYesFlag(logout).action(async (wanted: string | undefined, flags: LogoutFlags) => {
    const path = loginFilePath(process.env);
    const logins = await readLogins(path);
    if (flags.all) return logoutOfAll({ wanted, flags, logins, path }, context);
    const url = requireContext(logins, wanted ?? logins.current ?? 'a hub');
    const { [url]: forgotten, ...rest } = logins.hubs;
    const { current } = logins;
    await writeLogins(path, { v: logins.v, hubs: rest, ...(current && current !== url ? { current } : {}) });
    const name = contextName(url, forgotten!);
    context.printer().result({ hub: url }, () => `Logged out of ${url}.`, name);
  });
}

async function logoutOfAll(
  {
    wanted,
    flags,
    logins,
    path,
  }: { wanted: string | undefined; flags: LogoutFlags; logins: Logins; path: string },
  context: CliContext,
): Promise<void> {
  if (wanted !== undefined) {
    throw new AppError('bad_usage', `Cannot log out of "${wanted}" with --all. Use one of them.`);
  }
  const hubs = Object.entries(logins.hubs);
  const text = countText(hubs.length, 'login');
  await confirm({
    yes: flags.yes || hubs.length === 0,
    action: `forget ${text}`,
    preview: async () => [
      'These tokens are saved nowhere else by this program:',
      ...hubs.map(([url, login]) => `  ${contextName(url, login)}  ${url}`),
    ],
  });
  await writeLogins(path, { v: logins.v, hubs: {} });
  context.printer().result({ hubs: hubs.map(([url]) => url) }, () => `Forgot ${text}.`);
}

export function whoamiCommand(context: CliContext): Command {
  return new Command('whoami')
    .description('show name and role of the token in use, and where hub, token and CA come from')
    .action(async () => {
      const { url, sources } = await findHubAccess(context.flags(), process.env);
      const me = parseMe(await (await context.hub()).get('/me'));
      context
        .printer()
        .result(
          { ...me, hub: url, sources },
          () => [
            `${me.name} (${me.role})`,
            `  hub    ${url} (${sources.hub})`,
            `  token  ${sources.token}`,
            `  CA     ${sources.ca}`,
          ],
          me.name,
        );
    });
}
