/** Runs the three programs as a user would: each a process of its own, started through its bin. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export type ProgramName = 'modelfleet' | 'modelfleet-hub' | 'modelfleet-agent';

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const STOP_MS_MAX = 10_000;
const COMMAND_MS_MAX = 60_000;
const binsOfCheckout = fileURLToPath(new URL('../bin/', import.meta.url));

export interface ProgramsProps {
  /** Added to this process's. */
  readonly env: Readonly<Record<string, string>>;
  /** Folder for the standard error of long-running programs. */
  readonly logs: string;
  /** Folder of the bins to run; those of this checkout by default. */
  readonly bins?: string | undefined;
}

export class Programs {
  readonly #running = new Set<RunningProgram>();
  readonly #env: NodeJS.ProcessEnv;
  readonly #logs: string;
  readonly #bins: string;

  constructor({ env, logs, bins = binsOfCheckout }: ProgramsProps) {
    this.#env = { ...process.env, ...env };
    this.#logs = logs;
    this.#bins = bins;
  }

  /** Runs a command to its end. Never throws for an exit code; the caller looks at it. */
  async run(program: ProgramName, args: readonly string[]): Promise<Finished> {
    const child = spawn(join(this.#bins, program), [...args], {
      env: this.#env,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: COMMAND_MS_MAX,
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const code = await new Promise<number>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (exit) => resolve(exit ?? 137));
    });
    return { code, stdout, stderr };
  }

  /** Starts a program that runs until it is stopped. */
  start(program: ProgramName, args: readonly string[], name: string): RunningProgram {
    const child = spawn(join(this.#bins, program), [...args], {
      env: this.#env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const log = createWriteStream(join(this.#logs, `${name}.log`), { flags: 'a', mode: 0o600 });
    // A full disk: the story goes on without the rest of the log.
    log.on('error', () => child.stderr.resume());
    child.stderr.pipe(log);
    const running = new RunningProgram(child, name);
    this.#running.add(running);
    void running.exited.then(() => this.#running.delete(running));
    return running;
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.#running].map((program) => program.stop()));
  }

  /** For an exit that cannot wait. */
  killAll(): void {
    for (const program of this.#running) program.kill('SIGKILL');
  }
}

export class RunningProgram {
  readonly name: string;
  readonly exited: Promise<number>;
  readonly #child: ChildProcess;
  readonly #firstLine: Promise<string>;

  constructor(child: ChildProcess, name: string) {
    this.name = name;
    this.#child = child;
    this.exited = new Promise((resolve) => child.on('close', (code) => resolve(code ?? 137)));
    this.#firstLine = new Promise((resolve, reject) => {
      createInterface({ input: child.stdout! }).once('line', resolve);
      void this.exited.then((code) =>
        reject(new Error(`${name} ended with ${code} before it was ready; see its log`)),
      );
    });
    this.#firstLine.catch(() => undefined);
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** The JSON line a program prints with `--json` once it is ready. */
  async ready(): Promise<Record<string, unknown>> {
    return JSON.parse(await this.#firstLine) as Record<string, unknown>;
  }

  kill(signal: 'SIGKILL' | 'SIGTERM'): void {
    this.#child.kill(signal);
  }

  async stop(): Promise<void> {
    this.kill('SIGTERM');
    const late = setTimeout(() => this.kill('SIGKILL'), STOP_MS_MAX);
    await this.exited;
    clearTimeout(late);
  }
}
