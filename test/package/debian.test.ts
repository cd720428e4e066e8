/**
 * The Debian packages on a Debian: installed, run, upgraded, removed and purged. Run by `npm run test:deb`; `npm test` has the
 * short version, of what is in them (test/system/debian-packages.test.ts).
 */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { buildDebianPackages } from '../../packaging/deb/main.ts';
import { DebianRoot, debianRootObstacle } from './debian-root.ts';

vi.setConfig({ testTimeout: 300_000, hookTimeout: 900_000 });
const obstacle = await debianRootObstacle();

describe.skipIf(obstacle)(`the Debian packages${obstacle ? ` (${obstacle})` : ''}`, () => {
  let folder: string;
  let root: DebianRoot;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'modelfleet-debs-'));
    root = await DebianRoot.make();
    for (const file of await buildDebianPackages({ out: folder, compression: 'gzip' })) {
      await cp(file, join(root.folder, 'root', basename(file)));
    }
  });
  afterAll(async () => {
    await root?.remove();
    await rm(folder, { recursive: true, force: true });
  });

  const lines = (text: string) => text.split('\n').filter((line) => line !== '');
  /** Everything but what dpkg, apt and adduser (its lock) keep of their own work, with the kind and the owner of each entry. */
  const files = async () =>
    lines(
      await root.run(
        `find / -xdev \\( -path /proc -o -path /sys -o -path /root -o -path /tmp -o -path /run/adduser -o -path /var/log -o -path /var/lib/dpkg -o -path /var/cache \\) -prune -o -printf '%y %u %p\\n' | sort`,
      ),
    );
  const accounts = async () => lines(await root.run('cut -d: -f1 /etc/passwd /etc/group | sort'));

  it('install, run as their own users, keep data over an upgrade, and leave nothing when they are purged', async () => {
    const before = { files: await files(), accounts: await accounts() };
    await root.run('dpkg -i /root/modelfleet*.deb');

    const installed = await root.run(`dpkg-query -W -f '\${Package} \${Installed-Size}\\n' 'modelfleet*'`);
    const sizes = new Map(lines(installed).map((line) => line.split(' ') as [string, string]));
    expect([...sizes.keys()].sort()).toEqual(['modelfleet', 'modelfleet-agent', 'modelfleet-hub']);
    expect(Number(sizes.get('modelfleet-agent'))).toBeLessThan(200_000);
    expect(await root.run('stat -c "%U %a" /var/lib/modelfleet-hub /var/lib/modelfleet-agent')).toBe(
      'modelfleet-hub 700\nmodelfleet-agent 700\n',
    );

    // A hub, a device that enrols with it, and the agent that answers; each as the unit would start it. Both end with 0.
    const served = await root.run(`
      trap '[ $? = 0 ] || tail -n 3 /tmp/*.log >&2' EXIT
      as() { user=$1; shift; export HOME=/var/lib/$user; exec setpriv --reuid $user --regid $user --clear-groups "$@"; }
      as modelfleet-hub modelfleet-hub --data /var/lib/modelfleet-hub --config /etc/modelfleet/hub.yaml --json >/tmp/hub 2>/tmp/hub.log &
      hub=$!
      until [ -s /tmp/hub ]; do kill -0 $hub; sleep 0.1; done
      field() { sed -n "s/.*\\"$1\\": *\\"\\([^\\"]*\\)\\".*/\\1/p"; }
      export HOME=/tmp MODELFLEET_PASSPHRASE=correct-horse
      cd /tmp
      modelfleet login "$(field url </tmp/hub)" --token-file "$(field adminTokenFile </tmp/hub)" --ca-fingerprint "$(field caSha256 </tmp/hub)" >/dev/null
      modelfleet trust init >/dev/null
      join=$(modelfleet --json devices token create --group lab --uses 1 --ttl 1h | field token)
      cd /
      (as modelfleet-agent modelfleet-agent enrol --data /var/lib/modelfleet-agent --id deb-1 --token-file -) <<END >/dev/null
$join
END
      as modelfleet-agent modelfleet-agent run --data /var/lib/modelfleet-agent --config /etc/modelfleet/agent.yaml --json >/tmp/agent 2>/tmp/agent.log &
      agent=$!
      until [ -s /tmp/agent ]; do kill -0 $agent; sleep 0.1; done
      until modelfleet --json devices list | grep -q '"connected": *true'; do sleep 0.2; done
      (as modelfleet-agent modelfleet-agent status --data /var/lib/modelfleet-agent --json)
      kill $hub $agent
      wait $hub
      wait $agent
    `);
    expect(JSON.parse(served)).toMatchObject({ device: 'deb-1', running: true, connected: true });

    await root.run('echo "logLevel: warn" >>/etc/modelfleet/hub.yaml; dpkg -i /root/modelfleet*.deb');
    expect(await root.run('tail -1 /etc/modelfleet/hub.yaml')).toBe('logLevel: warn\n');
    await root.run(
      'test -s /var/lib/modelfleet-hub/hub.db && test -s /var/lib/modelfleet-agent/identity/device.json',
    );

    await root.run('dpkg -r modelfleet modelfleet-agent modelfleet-hub');
    await root.run('test -s /var/lib/modelfleet-hub/hub.db && test -s /etc/modelfleet/hub.yaml');
    await root.run('dpkg -P modelfleet modelfleet-agent modelfleet-hub');
    expect(await accounts()).toEqual(before.accounts);
    const after = await files();
    expect(after.filter((file) => !before.files.includes(file) && !/-$/.test(file))).toEqual([]);
    expect(await root.run('ls -d /var/cache/modelfleet* 2>/dev/null || true')).toBe('');
  });
});
