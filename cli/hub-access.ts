/** Which hub a command talks to, and as whom: flags first, then the environment, then the saved logins, each part by itself. */
import { readGivenFile, unreadableReason } from '../platform/regular-file.ts';
import { AppError } from '../shared/base/app-error.ts';
import { limits } from '../shared/base/limits.ts';
import { ownValue } from '../shared/base/own-value.ts';
import type { HubAccess } from './hub-client.ts';
import { contextName, findContext, type Logins, loginFilePath, readLogins } from './login-file.ts';

export interface HubChoice {
  /** Value of `--hub`. */
  readonly hub?: string;
  /** Value of `--context`. */
  readonly context?: string;
}

/** Where each part of an access comes from: a flag, a variable, or a saved login. */
export interface AccessSources {
  readonly hub: string;
  readonly token: string;
  readonly ca: string;
}

export interface FoundAccess extends HubAccess {
  readonly sources: AccessSources;
}

/** The origin of a hub's URL. Throws `bad_usage` when it is none or not https. */
export function hubOrigin(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'https:' && url.host !== '') return url.origin;
  throw new AppError('bad_usage', `Cannot use hub "${text}": expected a URL like https://hub.example:7443.`);
}

/**
 * `MODELFLEET_HUB`, `MODELFLEET_TOKEN` and `MODELFLEET_CA_FILE` each win over the saved login, and a flag over the variable.
 * Throws `not_logged_in`.
 */
export async function findHubAccess(choice: HubChoice, env: NodeJS.ProcessEnv): Promise<FoundAccess> {
  const token = env['MODELFLEET_TOKEN'];
  const caFile = env['MODELFLEET_CA_FILE'];
  const named = namedHub(choice, env);
  // A script that names everything needs no file, and no home.
  const logins: Logins = named && token && caFile ? { v: 1, hubs: {} } : await readLogins(loginFilePath(env));
  const { url, source } = named ?? contextHub(logins, choice.context);
  const login = ownValue(logins.hubs, url);
  const saved = login && `login "${contextName(url, login)}"`;
  if (!token && !login) throw notLoggedIn(logins, url);
  const ca = caFile ? await readCa(caFile, 'MODELFLEET_CA_FILE') : login?.ca;
  return {
    url,
    token: token || login!.token,
    ...(ca !== undefined && { ca }),
    sources: {
      hub: source,
      token: token ? 'MODELFLEET_TOKEN' : saved!,
      ca: caFile ? 'MODELFLEET_CA_FILE' : ca === undefined ? 'CAs of the system' : saved!,
    },
  };
}

interface NamedHub {
  readonly url: string;
  readonly source: string;
}

/** What a flag or the environment says; `--context` is a flag and wins over the variable. */
function namedHub({ hub, context }: HubChoice, env: NodeJS.ProcessEnv): NamedHub | undefined {
  if (hub) return { url: hubOrigin(hub), source: '--hub' };
  if (context !== undefined) return undefined;
  const variable = env['MODELFLEET_HUB'];
  return variable ? { url: hubOrigin(variable), source: 'MODELFLEET_HUB' } : undefined;
}

function contextHub(logins: Logins, context: string | undefined): NamedHub {
  if (context !== undefined) return { url: requireContext(logins, context), source: '--context' };
  if (logins.current === undefined) throw notLoggedIn(logins);
  return { url: logins.current, source: 'current context' };
}

/** The hub of a saved login by name or URL. Throws `not_logged_in`. */
export function requireContext(logins: Logins, wanted: string): string {
  const url = findContext(logins, wanted);
  if (url !== undefined) return url;
  throw notLoggedIn(logins, wanted);
}

function notLoggedIn(logins: Logins, wanted?: string): AppError {
  const known = Object.entries(logins.hubs).map(([url, login]) => contextName(url, login));
  const others = known.length > 0 ? `; there are logins for ${known.join(', ')}` : '';
  return new AppError('not_logged_in', `Not logged in to ${wanted ?? 'a hub'}${others}.`);
}

/** `named` says what names the file. Throws `bad_input`. */
export async function readCa(file: string, named: string): Promise<string> {
  try {
    return String(await readGivenFile(file, limits.certificateChainBytesMax));
  } catch (cause) {
    throw new AppError('bad_input', `Cannot read ${named} "${file}": ${unreadableReason(cause)}.`, {
      cause,
    });
  }
}
