/** A Debian of its own in a folder, made with debootstrap: where packages are installed, run and removed as on a machine. */
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const RELEASE = 'bookworm';
const MIRROR = 'http://deb.debian.org/debian';
/** What the packages depend on, so that each installation needs no network. */
const INCLUDED = 'adduser,init-system-helpers,libgcc-s1,libstdc++6';

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
