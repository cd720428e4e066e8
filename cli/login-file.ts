/**
 * The logins a user has saved, called contexts on the command line: per hub a token and the CA that verifies it, readable by the
 * user alone. `MODELFLEET_CONFIG` names another file.
 */
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Static, Type } from 'typebox';
import { makePrivateFolder, writeFileAtomic } from '../platform/atomic-file.ts';
import { readRegularFile, unwritableReason } from '../platform/regular-file.ts';
import { AppError, errorText, isAppError } from '../shared/base/app-error.ts';
import { limits } from '../shared/base/limits.ts';
import { ownValue } from '../shared/base/own-value.ts';
import { jsonParser } from '../shared/base/parse.ts';

const Login = Type.Object({
  token: Type.String({ maxLength: 512 }),
  /** PEM of the CAs that verify the hub; absent: those of the system do. */
  ca: Type.Optional(Type.String({ maxLength: limits.certificateChainBytesMax })),
  /** What the user calls it; absent: host and port of the hub. */
  name: Type.Optional(Type.String({ maxLength: 64 })),
});
const LoginFile = Type.Object({
  v: Type.Literal(1),
  /** URL of the hub that commands go to unless `--hub` or `--context` names another. */
  current: Type.Optional(Type.String({ maxLength: 512 })),
  hubs: Type.Record(Type.String({ maxLength: 512 }), Login),
});
export type Logins = Static<typeof LoginFile>;

const FILE_BYTES_MAX = 1024 * 1024;
const parseLogins = jsonParser(LoginFile, 'saved logins', FILE_BYTES_MAX);

/** Throws `file_unusable` when nothing says where a user's files are. */
export function loginFilePath(env: NodeJS.ProcessEnv): string {
  if (env['MODELFLEET_CONFIG']) return env['MODELFLEET_CONFIG'];
  if (env['XDG_CONFIG_HOME']) return join(env['XDG_CONFIG_HOME'], 'modelfleet', 'login.json');
  const home = homeFolder();
  if (home) return join(home, '.config', 'modelfleet', 'login.json');
  throw new AppError(
    'file_unusable',
    'Cannot find the saved logins: HOME is not set and this user has no home folder. Set HOME, or name the file with MODELFLEET_CONFIG.',
  );
}

function homeFolder(): string | undefined {
  try {
    return homedir();
  } catch {
    // A user id without an entry in the list of users.
    return undefined;
  }
}

/** Throws `login_file_damaged` or `file_unusable`, naming the file. */
export async function readLogins(path: string): Promise<Logins> {
  let bytes: Uint8Array;
  try {
    bytes = await readRegularFile(path, FILE_BYTES_MAX, { links: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { v: 1, hubs: {} };
    throw error;
  }
  try {
    return parseLogins(bytes);
  } catch (cause) {
    if (isAppError(cause, 'unsupported_version')) throw cause;
    throw new AppError(
      'login_file_damaged',
      errorText(cause).replace('saved logins', () => `the saved logins in "${path}"`),
      {
        cause,
      },
    );
  }
}

/** Throws `file_unusable` or `disk_full`, naming the file. */
export async function writeLogins(path: string, logins: Logins): Promise<void> {
  try {
    await makePrivateFolder(dirname(path));
    await writeFileAtomic(path, `${JSON.stringify(logins, undefined, 2)}\n`, 0o600);
  } catch (cause) {
    if (isAppError(cause)) throw cause;
    throw new AppError(
      'file_unusable',
      `Cannot save the login in "${path}": ${unwritableReason(cause)}. MODELFLEET_CONFIG names another file.`,
      { cause },
    );
  }
}

/** What a login is called: its name, or host and port of its hub. */
export function contextName(url: string, { name }: { readonly name?: string }): string {
  return name ?? new URL(url).host;
}

/** The hub of a login by its name or its URL; undefined when there is none. */
export function findContext({ hubs }: Logins, wanted: string): string | undefined {
  const byName = Object.keys(hubs).find((url) => contextName(url, ownValue(hubs, url)!) === wanted);
  if (byName !== undefined) return byName;
  const url = URL.canParse(wanted) ? new URL(wanted).origin : '';
  return ownValue(hubs, url) ? url : undefined;
}
