/** A Debian of its own in a folder, made with debootstrap: where packages are installed, run and removed as on a machine. */
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const RELEASE = 'bookworm';
const MIRROR = 'http://deb.debian.org/debian';
/** What the packages depend on, so that each installation needs no network, and what boots. */
const INCLUDED = 'adduser,init-system-helpers,libgcc-s1,libstdc++6,systemd,systemd-sysv';
const BOOT_MS_MAX = 240_000;
/** Runs the script, keeps what it printed and the journal, and shuts down, whatever its result. */
const BOOTED_UNIT = `[Unit]
After=network.target
SuccessAction=poweroff
FailureAction=poweroff
[Service]
ExecStart=/bin/sh -c 'exec /bin/sh -eu /root/booted.sh >/root/booted.out 2>/root/booted.err'
ExecStopPost=/bin/sh -c 'echo "$EXIT_STATUS" >/root/booted.rc; journalctl --no-pager -u "modelfleet*" >/root/booted.journal'
`;
/** A machine with the first version of cgroups has the second one as well: systemd needs it for itself. */
const BOOT = `
mount -t tmpfs tmpfs /run
mount -t cgroup2 none /sys/fs/cgroup
group=/sys/fs/cgroup/$(basename "$1")
mkdir "$group"
echo $$ >"$group/cgroup.procs"
code=0
systemd-nspawn -D "$1" --boot --register=no --keep-unit --private-network --console=pipe </dev/null || code=$?
echo $$ >/sys/fs/cgroup/cgroup.procs
find "$group" -depth -type d -exec rmdir {} +
exit $code
`;

export class DebianRoot {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async make(): Promise<DebianRoot> {
    const folder = await mkdtemp(join(tmpdir(), 'modelfleet-debian-'));
    const root = new DebianRoot(folder);
    // It becomes "/", which every user enters.
    await chmod(folder, 0o755);
    // In a mount namespace of its own: what debootstrap mounts there is gone with it, also when it is killed.
    const make = ['debootstrap', '--variant=minbase', `--include=${INCLUDED}`, RELEASE, folder, MIRROR];
    await execute('unshare', ['--mount', ...make], { maxBuffer: 64 * 1024 ** 2 }).catch(
      async (error: unknown) => {
        await root.remove();
        throw error;
      },
    );
    await writeFile(join(folder, 'etc/hosts'), '127.0.0.1 localhost\n');
    return root;
  }

  /**
   * Runs a shell script in it, with processes and a loopback of its own; what the script leaves running ends with it. Standard
   * output comes back; another exit code than 0 is thrown with both outputs.
   */
  async run(script: string): Promise<string> {
    const enter = 'ip link set lo up && mount -t proc proc "$1/proc" && exec chroot "$1" /bin/sh -euc "$2"';
    const { stdout } = await execute(
      'unshare',
      [
        ...['--mount', '--net', '--pid', '--fork', '--kill-child'],
        ...['/bin/sh', '-c', enter, 'sh', this.folder, script],
      ],
      {
        env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' },
        maxBuffer: 64 * 1024 ** 2,
      },
    );
    return stdout;
  }

  /**
   * Boots it with its own systemd and a network of its own, runs a shell script there, and shuts it down. Standard output comes
   * back; another exit code than 0 is thrown with the script's errors and the journal of our services.
   */
  async boot(script: string): Promise<string> {
    const units = join(this.folder, 'etc/systemd/system');
    const wanted = join(units, 'multi-user.target.wants/booted.service');
    await writeFile(join(units, 'booted.service'), BOOTED_UNIT);
    await mkdir(dirname(wanted), { recursive: true });
    await rm(wanted, { force: true });
    await symlink('../booted.service', wanted);
    await writeFile(join(this.folder, 'root/booted.sh'), script);
    const enter = ['--mount', '--mount-proc', '--pid', '--fork', '--kill-child'];
    await execute('unshare', [...enter, '/bin/sh', '-euc', BOOT, 'sh', this.folder], {
      timeout: BOOT_MS_MAX,
      maxBuffer: 64 * 1024 ** 2,
    });
    const read = (name: string) => readFile(join(this.folder, 'root', name), 'utf8');
    if ((await read('booted.rc')) !== '0\n') {
      throw new Error(`The script failed:\n${await read('booted.err')}\n${await read('booted.journal')}`);
    }
    return await read('booted.out');
  }

  /** Leaves alone what is mounted below it. */
  async remove(): Promise<void> {
    await execute('rm', ['-rf', '--one-file-system', this.folder]);
  }
}

/** Why this machine cannot make one, or nothing. */
export async function debianRootObstacle(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'not root';
  for (const tool of ['debootstrap', 'unshare', 'ip', 'dpkg-deb']) {
    const isThere = await execute('sh', ['-c', `command -v ${tool}`]).catch(() => undefined);
    if (!isThere) return `no ${tool} here`;
  }
  const url = `${MIRROR}/dists/${RELEASE}/Release`;
  const reached = await fetch(url, { method: 'HEAD', signal: AbortSignal.timeout(10_000) }).catch(
    () => undefined,
  );
  return reached?.ok ? undefined : `${new URL(url).hostname} cannot be reached`;
}

/** Why a folder cannot be booted here, or nothing. */
export async function bootObstacle(): Promise<string | undefined> {
  const tried = execute('sh', ['-c', 'command -v systemd-nspawn']);
  if (!(await tried.catch(() => undefined))) return 'no systemd-nspawn here';
  const mounted = execute('unshare', ['--mount', 'mount', '-t', 'cgroup2', 'none', '/sys/fs/cgroup']);
  return (await mounted.catch(() => undefined)) ? undefined : 'no cgroups of the second version here';
}
