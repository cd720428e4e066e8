/** The hub starts with nothing; the publisher makes keys; six devices enrol. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '../fleet.ts';
import { deviceIds, group, type Stage } from './stage.ts';

export async function hubStarts({ fleet, narrator }: Stage): Promise<void> {
  narrator.chapter('A hub, from nothing');
  narrator.command(['modelfleet-hub', '--data', '…/hub']);
  await fleet.startHub();
  narrator.tell(`It made its CA, keys and database, and serves ${fleet.hub.url}.`);
  await fleet.logIn();
  narrator.command(['modelfleet', 'login', fleet.hub.url, '--token-file', '…', '--ca-fingerprint', '…']);
  const open = await filesOthersCanRead(fleet.hubData);
  narrator.check('Everything it wrote is readable by its owner alone', open.length === 0, open);
  const whoami = (await fleet.tellCli('whoami')) as { role?: string };
  narrator.check('The admin token is accepted', whoami.role === 'admin', whoami);
}

export async function keysAreMade({ fleet, narrator }: Stage): Promise<void> {
  narrator.chapter('Keys: what may exist is signed offline');
  const made = (await fleet.tellCli('trust', 'init', '--keys', join(fleet.folder, 'keys'))) as object;
  narrator.tell(
    'Root, targets and publisher keys were made on this machine, encrypted; the hub never sees them.',
  );
  narrator.check('The hub has its trust root', Object.keys(made).length > 0, made);
  const again = await fleet.tryCli('trust', 'init', '--keys', join(fleet.folder, 'other-keys'));
  narrator.check(
    'A second trust root is refused',
    again.code === 1 && again.stderr.includes('trust_exists'),
    again,
  );
}

export async function devicesEnrol({ fleet, narrator }: Stage): Promise<void> {
  narrator.chapter('Six devices enrol');
  const { token } = (await fleet.tellCli(
    ...['devices', 'token', 'create', '--group', group, '--uses', String(deviceIds.length), '--ttl', '1h'],
  )) as { token: string };
  narrator.tell('One line for the devices: hub address, CA fingerprint, digest of the trust root, secret.');
  narrator.command(['modelfleet-agent', 'enrol', '--token-file', '…', '--id', deviceIds[0]]);
  await Promise.all(deviceIds.map((id) => fleet.enrol(id, token)));
  const seventh = await fleet.enrol('stranger', token).then(
    () => 'enrolled',
    (error: Error) => error.message,
  );
  narrator.check(
    'A seventh device is refused: the token is used up',
    seventh.includes('join_token'),
    seventh,
  );
  narrator.command(['modelfleet-agent', 'run']);
  await Promise.all(deviceIds.map((id) => fleet.startAgent(id)));
  const connected = await until('all devices are connected', async () => {
    const devices = (await fleet.cli('devices', 'list')) as { id: string; connected: boolean }[];
    return devices.length === deviceIds.length && devices.every((d) => d.connected) ? devices : undefined;
  });
  narrator.check(`${connected.length} agents are connected over mutual TLS, each a process`, true);
}

async function filesOthersCanRead(folder: string): Promise<string[]> {
  const files = await readdir(folder, { recursive: true });
  const modes = await Promise.all(files.map((file) => stat(join(folder, file)).catch(() => undefined)));
  return files.filter((_, i) => ((modes[i]?.mode ?? 0) & 0o077) !== 0);
}
