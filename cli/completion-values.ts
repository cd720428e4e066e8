/** Values that completion takes from the hub and from the saved logins: quickly, or none. */
import { Type } from 'typebox';
import type { OpenValue } from '../platform/completion.ts';
import { ownValue } from '../shared/base/own-value.ts';
import { parser } from '../shared/base/parse.ts';
import { findHubAccess } from './hub-access.ts';
import { contextName, loginFilePath, readLogins } from './login-file.ts';
import { outputChoices } from './output-format.ts';

/** Someone waits with a finger on the key. */
const ANSWER_MS = 1_500;
const ROWS_MAX = 500;

interface Source {
  readonly path: (given: OpenValue['given']) => string | undefined;
  readonly list: string;
  readonly key: string;
}

const device: Source = { path: () => '/devices', list: 'devices', key: 'id' };
const group: Source = { path: () => '/groups', list: 'groups', key: 'group' };
const model: Source = { path: () => '/models', list: 'models', key: 'model' };
const rollout: Source = { path: () => '/rollouts', list: 'rollouts', key: 'id' };
const token: Source = { path: () => '/tokens', list: 'tokens', key: 'name' };
const joinToken: Source = { path: () => '/join-tokens', list: 'joinTokens', key: 'id' };
const alert: Source = { path: () => '/alerts', list: 'alerts', key: 'id' };
const silence: Source = { path: () => '/alert-silences', list: 'silences', key: 'id' };
const version: Source = {
  path: (given) => {
    const of = given['--model'] ?? given['model'];
    return of === undefined ? undefined : `/models/${encodeURIComponent(of)}`;
  },
  list: 'versions',
  key: 'version',
};

/** Options by their long name, arguments by command and name. */
const sources: Readonly<Record<string, Source>> = {
  '--device': device,
  '--group': group,
  '--model': model,
  '--version': version,
  'alerts show <id>': alert,
  'alerts ack <id>': alert,
  'alerts silence end <id>': silence,
  'devices show <id>': device,
  'devices move <id>': device,
  'devices release <id>': device,
  'devices remove <id>': device,
  'devices token revoke <id>': joinToken,
  'models show <model>': model,
  'models show <version>': version,
  'models withdraw <model>': model,
  'models withdraw <version>': version,
  'models unassign <model>': model,
  'rollout status <id>': rollout,
  'rollout devices <id>': rollout,
  'rollout pause <id>': rollout,
  'rollout resume <id>': rollout,
  'rollout abort <id>': rollout,
  'rollout rollback <id>': rollout,
  'slo show <model>': model,
  'slo set <model>': model,
  'slo reset <model>': model,
  'tokens revoke <name>': token,
};

/** Never throws: a shell has no place for an error. */
export async function completionValues({ name, given }: OpenValue): Promise<readonly string[]> {
  try {
    if (name === '--output') return outputChoices;
    if (name === '--hub') return Object.keys((await logins()).hubs);
    if (name === '--context' || name.endsWith('<context>')) {
      return Object.entries((await logins()).hubs).map(([url, login]) => contextName(url, login));
    }
    const source = ownValue(sources, name);
    const path = source?.path(given);
    return source && path ? await valuesOf(source, path, given) : [];
  } catch {
    return [];
  }
}

function logins() {
  return readLogins(loginFilePath(process.env));
}

async function valuesOf(
  { list, key }: Source,
  path: string,
  given: OpenValue['given'],
): Promise<readonly string[]> {
  const access = await findHubAccess(
    {
      ...(given['--hub'] !== undefined && { hub: given['--hub'] }),
      ...(given['--context'] !== undefined && { context: given['--context'] }),
    },
    process.env,
  );
  const { HttpHubClient } = await import('./hub-client.ts');
  const client = new HttpHubClient(access, { timeoutMs: ANSWER_MS });
  try {
    const parse = parser(
      Type.Object({ [list]: Type.Array(Type.Object({ [key]: Type.String() })) }),
      'the answer of the hub',
    );
    const answer = parse(await client.get(path, { limit: ROWS_MAX })) as Record<
      string,
      Record<string, string>[]
    >;
    return ownValue(answer, list)!.map((row) => ownValue(row, key)!);
  } finally {
    await client.close();
  }
}
