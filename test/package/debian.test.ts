/**
 * The Debian packages on a Debian: installed, run, upgraded, removed and purged. Run by `npm run test:deb`; `npm test` has the
 * short version, of what is in them (test/system/debian-packages.test.ts).
 */
import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { buildDebianPackages } from '../../packaging/deb/main.ts';
import { bootObstacle, DebianRoot, debianRootObstacle } from './debian-root.ts';

vi.setConfig({ testTimeout: 300_000, hookTimeout: 900_000 });
const obstacle = await debianRootObstacle();
const noBoot = await bootObstacle();
const run = promisify(execFile);
const noLintian = await run('lintian', ['--version']).then(
  () => '',
  () => 'no lintian here',
);

describe.skipIf(obstacle)(`the Debian packages${obstacle ? ` (${obstacle})` : ''}`, () => {
  let folder: string;
  let root: DebianRoot;
  let built: readonly string[];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'modelfleet-debs-'));
    root = await DebianRoot.make();
    built = await buildDebianPackages({ out: folder, compression: 'gzip' });
    for (const file of built) {
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

  it.skipIf(noBoot)(
    `run under systemd: ready, reloaded, restarted when they hang and after an upgrade${noBoot ? ` (${noBoot})` : ''}`,
    async () => {
      await root.run('dpkg -i /root/modelfleet*.deb');
      const printed = await root.boot(`
        units='modelfleet-hub modelfleet-agent'
        show() { systemctl show --value --property "$2" "modelfleet-$1"; }
        # Until $3 shows as the property $2 of the unit $1.
        until_shows() { until [ "$(show "$1" "$2")" = "$3" ]; do sleep 0.1; done; }
        until_shows hub ActiveState active
        echo "not enrolled: $(show agent ActiveState)"
        data=/var/lib/modelfleet-hub
        if journalctl -u modelfleet-hub | grep -F "$(cat $data/admin-token)" >&2; then exit 1; fi
        export HOME=/root MODELFLEET_PASSPHRASE=correct-horse
        cd /root
        authority=$(journalctl -u modelfleet-hub -o cat | grep -oE '[0-9a-f]{64}' | head -n 1)
        modelfleet login https://localhost:7443 --token-file $data/admin-token --ca-fingerprint "$authority" >&2
        modelfleet trust init >&2
        modelfleet --json devices token create --group lab --uses 1 --ttl 1h | sed -n 's/.*"token": *"\\([^"]*\\)".*/\\1/p' >join
        export HOME=/var/lib/modelfleet-agent
        setpriv --reuid modelfleet-agent --regid modelfleet-agent --clear-groups \
          modelfleet-agent enrol --data $HOME --id deb-2 --token-file - <join >&2
        export HOME=/root
        for unit in $units; do
          mkdir -p /run/systemd/system/$unit.service.d
          printf '[Service]\\nWatchdogSec=5s\\n' >/run/systemd/system/$unit.service.d/watchdog.conf
        done
        systemctl daemon-reload
        systemctl restart $units
        connected() { until modelfleet --json devices list | grep -q '"connected": *true'; do sleep 0.2; done; }
        connected
        for short in hub agent; do
          pid=$(show $short MainPID)
          echo "$short: $(getent passwd "$(awk '/^Uid:/ { print $2 }' /proc/$pid/status)" | cut -d: -f1) $(grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/$pid/status | tr -s '\\t\\n' ' ')"
          echo 'logLevel: warn' >>/etc/modelfleet/$short.yaml
          systemctl reload modelfleet-$short
          kill -STOP $pid
          until_shows $short NRestarts 1
          until_shows $short ActiveState active
        done
        connected
        dpkg -i /root/modelfleet*.deb >&2
        systemctl is-active $units
        connected
        systemctl stop $units
        echo "stopped: $(show hub Result) $(show agent Result)"
        dpkg -P modelfleet modelfleet-agent modelfleet-hub >&2
        # It lists nothing, and then ends with 1.
        systemctl list-unit-files --no-legend 'modelfleet*' || [ $? = 1 ]
      `);
      const confined = 'CapEff: 0000000000000000 NoNewPrivs: 1 Seccomp: 2';
      expect(lines(printed).map((line) => line.trim())).toEqual([
        'not enrolled: inactive',
        `hub: modelfleet-hub ${confined}`,
        `agent: modelfleet-agent ${confined}`,
        'active',
        'active',
        'stopped: success success',
      ]);
    },
  );

  it.skipIf(noLintian)(
    `give lintian no error and no warning${noLintian ? ` (${noLintian})` : ''}`,
    async () => {
      expect((await run('lintian', ['--allow-root', ...built])).stdout).toBe('');
    },
  );
});
