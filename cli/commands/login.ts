/** `modelfleet login`, `logout`, `whoami`: who the user is to which hub. */
import { Command } from 'commander';
import { fetchCa } from '../../platform/pinned-tls.ts';
import { readTokenFlags, type SecretFlags } from '../../platform/secret-input.ts';
import { Caller } from '../../shared/api/access.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { ownValue } from '../../shared/base/own-value.ts';
import { answerParser } from '../answer-parser.ts';
import type { CliContext } from '../context.ts';
import { hubOrigin, readCa } from '../hub-access.ts';
import { loginFilePath, readLogins, writeLogins } from '../login-file.ts';

const parseMe = answerParser(Caller);

export function loginCommand(context: CliContext): Command {
  return new Command('login')
    .description('log in to a hub: check its CA, check the token, remember both')
    .argument('<url>', 'https://host:port of the hub')
    .option('--token-file <FILE>', 'file with the API token; "-" reads standard input')
    .option('--token <TOKEN>', 'the API token itself; other users of the machine can read it')
    .option('--ca-fingerprint <SHA256>', 'SHA-256 of the hub CA, as the hub prints it at its start')
    .option(
      '--ca-file <FILE>',
      'CAs that verify the hub, PEM (default without fingerprint: those of the system)',
    )
    .action(async (urlText: string, flags: LoginFlags) => {
      const url = hubOrigin(urlText);
      const token = await readTokenFlags(flags);
      if (token === undefined)
        throw new AppError(
          'bad_input',
          'Cannot log in: there is no token. Wanted --token-file FILE, or --token-file - for standard input.',
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
        await writeLogins(path, { ...logins, current: url, hubs: { ...logins.hubs, [url]: login } });
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
}

/** What verifies the hub from now on, PEM; undefined for the CAs of the system. */
async function caOf(url: string, { caFingerprint, caFile }: LoginFlags): Promise<string | undefined> {
  if (caFingerprint !== undefined && caFile !== undefined)
    throw new AppError('bad_input', 'Cannot use both --ca-fingerprint and --ca-file: wanted one of them.');
  if (caFingerprint !== undefined) return fetchCa(url, caFingerprint);
  return caFile === undefined ? undefined : readCa(caFile, '--ca-file');
}

export function logoutCommand(context: CliContext): Command {
  return new Command('logout')
    .description('forget the saved login; the token itself stays valid until it is revoked')
    .argument('[url]', 'hub to log out of (default: the current one)')
    .action(async (urlText: string | undefined) => {
      const path = loginFilePath(process.env);
      const { current, hubs, v } = await readLogins(path);
      const url = urlText === undefined ? current : hubOrigin(urlText);
      if (url === undefined || !ownValue(hubs, url)) {
        throw new AppError('not_logged_in', `Not logged in${url ? ` to ${url}` : ' to a hub'}.`);
      }
      const { [url]: _forgotten, ...rest } = hubs;
      await writeLogins(path, { v, hubs: rest, ...(current && current !== url ? { current } : {}) });
      context.printer().result({ hub: url }, () => `Logged out of ${url}.`);
    });
}

export function whoamiCommand(context: CliContext): Command {
  return new Command('whoami').description('show who the saved login is').action(async () => {
    const me = parseMe(await (await context.hub()).get('/me'));
    context.printer().result(me, () => `${me.name} (${me.role})`);
  });
}
