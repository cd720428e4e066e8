/** Which hub a command talks to, and as whom: environment first, then the saved logins. */
import { readGivenFile } from '../platform/regular-file.ts';
import { AppError, errorText } from '../shared/base/app-error.ts';
import { limits } from '../shared/base/limits.ts';
import { ownValue } from '../shared/base/own-value.ts';
import type { HubAccess } from './hub-client.ts';
import { loginFilePath, readLogins } from './login-file.ts';

/** The origin of a hub's URL. Throws `bad_input` when it is none or not https. */
export function hubOrigin(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'https:' && url.host !== '') return url.origin;
  throw new AppError('bad_input', `Cannot use hub "${text}": wanted a URL like https://hub.example:7443.`);
}

/**
 * `hub`: value of `--hub`. For scripts, `MODELFLEET_TOKEN`, `MODELFLEET_CA_FILE` and `MODELFLEET_HUB` replace a login.
 * Throws `not_logged_in`.
 */
export async function findHubAccess(hub: string | undefined, env: NodeJS.ProcessEnv): Promise<HubAccess> {
  const wanted = hub ?? env['MODELFLEET_HUB'];
  const url = wanted ? hubOrigin(wanted) : undefined;
  const token = env['MODELFLEET_TOKEN'];
  const caFile = env['MODELFLEET_CA_FILE'];
  if (url && token && caFile) return { url, token, ca: await readCa(caFile, 'MODELFLEET_CA_FILE') };
  const logins = await readLogins(loginFilePath(env));
  const chosen = url ?? logins.current;
  const login = chosen === undefined ? undefined : ownValue(logins.hubs, chosen);
  if (chosen !== undefined && login) return { url: chosen, ...login };
  const known = Object.keys(logins.hubs);
  throw new AppError(
    'not_logged_in',
    url && known.length > 0
      ? `Not logged in to ${url}; there are logins for ${known.join(', ')}.`
      : `Not logged in${url ? ` to ${url}` : ' to a hub'}.`,
  );
}

/** `named` says what names the file. Throws `bad_input`. */
export async function readCa(file: string, named: string): Promise<string> {
  try {
    return String(await readGivenFile(file, limits.certificateChainBytesMax));
  } catch (cause) {
    throw new AppError('bad_input', `Cannot read ${named} "${file}": ${errorText(cause)}.`, {
      cause,
    });
  }
}
