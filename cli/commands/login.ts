/** `modelfleet login`, `logout`, `whoami`: who the user is to which hub. */
import { text as readAll } from 'node:stream/consumers';
import { Command } from 'commander';
import { fetchCa } from '../../platform/pinned-tls.ts';
import { Caller } from '../../shared/api/access.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { ownValue } from '../../shared/base/own-value.ts';
import { answerParser } from '../answer-parser.ts';
import type { CliContext } from '../context.ts';
import { hubOrigin } from '../hub-access.ts';
import { loginFilePath, readLogins, writeLogins } from '../login-file.ts';

const parseMe = answerParser(Caller);

export function loginCommand(context: CliContext): Command {
  return new Command('login')
    .description('log in to a hub: check its CA, check the token, remember both')
    .argument('<url>', 'https://host:port of the hub')
    .requiredOption('--token <TOKEN>', 'API token; "-" reads it from standard input')
    .requiredOption('--ca-fingerprint <SHA256>', 'SHA-256 of the hub CA, as the hub prints it at its start')
    .action(async (urlText: string, flags: { token: string; caFingerprint: string }) => {
      const url = hubOrigin(urlText);
      // The CA is proven before the token leaves this machine.
      const ca = await fetchCa(url, flags.caFingerprint);
      const token = (flags.token === '-' ? await readAll(process.stdin) : flags.token).trim();
      const { HttpHubClient } = await import('../hub-client.ts');
      const client = new HttpHubClient({ url, token, ca });
      try {
        const me = parseMe(await client.get('/me'));
        const path = loginFilePath(process.env);
        const logins = await readLogins(path);
        await writeLogins(path, { ...logins, current: url, hubs: { ...logins.hubs, [url]: { token, ca } } });
        context
          .printer()
          .result({ hub: url, ...me }, () => `Logged in to ${url} as "${me.name}" (${me.role}).`);
      } finally {
        await client.close();
      }
    });
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
