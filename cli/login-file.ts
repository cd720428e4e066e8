/**
 * The logins a user has saved: per hub a token and the CA that verifies it, readable by the user alone. `MODELFLEET_CONFIG`
 * names another file.
 */
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Static, Type } from 'typebox';
import { makePrivateFolder, writeFileAtomic } from '../platform/atomic-file.ts';
import { readRegularFile } from '../platform/regular-file.ts';
import { limits } from '../shared/base/limits.ts';
import { jsonParser } from '../shared/base/parse.ts';

const LoginFile = Type.Object({
  v: Type.Literal(1),
  /** URL of the hub that commands go to unless `--hub` names another. */
  current: Type.Optional(Type.String({ maxLength: 512 })),
  hubs: Type.Record(
    Type.String({ maxLength: 512 }),
    Type.Object({
      token: Type.String({ maxLength: 512 }),
      /** PEM of the CAs that verify the hub; absent: those of the system do. */
      ca: Type.Optional(Type.String({ maxLength: limits.certificateChainBytesMax })),
    }),
  ),
});
export type Logins = Static<typeof LoginFile>;

const FILE_BYTES_MAX = 1024 * 1024;
const parseLogins = jsonParser(LoginFile, 'saved logins', FILE_BYTES_MAX);

export function loginFilePath(env: NodeJS.ProcessEnv): string {
  const config = env['XDG_CONFIG_HOME'] || join(homedir(), '.config');
  return env['MODELFLEET_CONFIG'] || join(config, 'modelfleet', 'login.json');
}

export async function readLogins(path: string): Promise<Logins> {
  let bytes: Uint8Array;
  try {
    bytes = await readRegularFile(path, FILE_BYTES_MAX, { links: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { v: 1, hubs: {} };
    throw error;
  }
  return parseLogins(bytes);
}

export async function writeLogins(path: string, logins: Logins): Promise<void> {
  await makePrivateFolder(dirname(path));
  await writeFileAtomic(path, `${JSON.stringify(logins, undefined, 2)}\n`, 0o600);
}
