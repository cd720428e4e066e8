/**
 * Ends the runners of a parent that was killed. A runner ends by itself when the channel to its parent closes, but not
 * while it hangs inside a native call; nobody is left then to end it. So one small shell beside the parent knows the
 * process ids of its runners and reads from a pipe that the kernel closes when the parent is gone, however it went. It
 * polls nothing, costs no thread of a runner, and is there only while runners are.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Socket } from 'node:net';

const SHELL = '/bin/sh';
/** Signals to the whole service are for its parent, which then ends runners and guard in their order. */
const SCRIPT = `
trap '' INT TERM HUP
pids=
while read -r act pid; do
  case $act in
    guard) pids="$pids $pid" ;;
    release)
      kept=
      for one in $pids; do [ "$one" = "$pid" ] || kept="$kept $one"; done
      pids=$kept ;;
  esac
done
[ -z "$pids" ] || kill -9 $pids`;

/** A guard that ends sooner than this will not hold the next time either. */
const STEADY_MS = 1_000;

class OrphanGuard {
  readonly #pids = new Set<number>();
  #shell: ChildProcess | undefined;

  /** Resolves once the process would be ended with this one. Never rejects: a runner without a guard still serves. */
  async guard(pid: number): Promise<void> {
    this.#pids.add(pid);
    if (this.#shell) await this.#say(this.#shell, `guard ${pid}`);
    else await this.#start();
  }

  /** The process has ended. */
  release(pid: number): void {
    if (!this.#pids.delete(pid)) return;
    if (this.#pids.size > 0) {
      if (this.#shell) void this.#say(this.#shell, `release ${pid}`);
      return;
    }
    void this.#say(this.#shell, `release ${pid}`);
    this.#shell?.stdin?.end();
    this.#shell = undefined;
  }

  async #start(): Promise<void> {
    if (!existsSync(SHELL)) return;
    // In a group of its own: what is sent to the group of the parent does not reach it.
    const shell = spawn(SHELL, ['-c', SCRIPT], {
      cwd: '/',
      env: {},
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    const startedMs = performance.now();
    this.#shell = shell;
    shell.on('error', () => undefined);
    shell.stdin.on('error', () => undefined);
    shell.on('exit', () => {
      if (this.#shell !== shell) return;
      this.#shell = undefined;
      if (this.#pids.size > 0 && performance.now() - startedMs > STEADY_MS) void this.#start();
    });
    // It watches this process, and must not keep it from ending.
    shell.unref();
    (shell.stdin as Socket).unref();
    await Promise.all([...this.#pids].map((pid) => this.#say(shell, `guard ${pid}`)));
  }

  #say(shell: ChildProcess | undefined, line: string): Promise<void> {
    return new Promise((resolve) => {
      if (!shell?.stdin?.writable) return resolve();
      shell.stdin.write(`${line}\n`, () => resolve());
    });
  }
}

/** One for all runners of this process. */
export const orphanGuard = new OrphanGuard();
