/**
 * A hub and its devices on this machine, each a process, driven as a user drives them: through the command line, the REST
 * API and the agents' local API.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { lastingPort } from './lasting-port.ts';
import type { Narrator } from './narrator.ts';
import type { Finished, Programs, RunningProgram } from './programs.ts';

export interface FleetOptions {
  /** Folder that everything is kept in. */
  readonly folder: string;
  readonly programs: Programs;
  /** Is given the commands that are run; silent without one. */
  readonly narrator?: Narrator;
  /** More flags for the hub and for each agent. */
  readonly hubFlags?: readonly string[];
  readonly agentFlags?: readonly string[];
}

interface HubReady {
  readonly url: string;
  readonly mqtt: { readonly host: string; readonly port: number };
  readonly caPem: string;
  readonly caSha256: string;
  readonly adminTokenFile?: string;
}

const WAIT_MS_MAX = 60_000;
const WAIT_STEP_MS = 100;

export class Fleet {
  readonly folder: string;
  readonly #options: FleetOptions;
  readonly #agents = new Map<string, RunningProgram>();
  readonly #urls = new Map<string, string>();
  #hub: RunningProgram | undefined;
  #ready: HubReady | undefined;
  #adminToken: string | undefined;

  constructor(options: FleetOptions) {
    this.folder = options.folder;
    this.#options = options;
  }

  get hub(): HubReady {
    if (!this.#ready) throw new Error('the hub has not been started');
    return this.#ready;
  }

  get hubData(): string {
    return join(this.folder, 'hub');
  }

  get adminToken(): string {
    return this.#adminToken!;
  }

  /** Starts the hub, the first time on free ports, later on the same. */
  async startHub(flags: readonly string[] = []): Promise<void> {
    const http = this.#ready ? new URL(this.#ready.url).port : await lastingPort();
    const mqtt = this.#ready?.mqtt.port ?? (await lastingPort());
    this.#hub = this.#options.programs.start(
      'modelfleet-hub',
      [
        ...['--data', this.hubData, '--http-port', String(http), '--mqtt-port', String(mqtt), '--json'],
        ...(this.#options.hubFlags ?? []),
        ...flags,
      ],
      'hub',
    );
    this.#ready = (await this.#hub.ready()) as unknown as HubReady;
    const { adminTokenFile } = this.#ready;
    if (adminTokenFile !== undefined) this.#adminToken ??= (await readFile(adminTokenFile, 'utf8')).trim();
  }

  async stopHub(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    this.#hub?.kill(signal);
    await this.#hub?.exited;
  }

  /** Runs `modelfleet … --json` and returns its result; throws with the output of the program when it fails. */
  async cli(...args: readonly string[]): Promise<unknown> {
    const done = await this.tryCli(...args);
    if (done.code !== 0)
      throw new Error(`modelfleet ${args.join(' ')} ended with ${done.code}: ${done.stderr}`);
    return done.stdout.trim() === '' ? undefined : JSON.parse(done.stdout);
  }

  /** Like `cli`, for a command that is meant to be refused. */
  async tryCli(...args: readonly string[]): Promise<Finished> {
    return this.#options.programs.run('modelfleet', [...args, '--json']);
  }

  /** Like `cli`, told to the reader first. */
  async tellCli(...args: readonly string[]): Promise<unknown> {
    this.#options.narrator?.command(['modelfleet', ...args.map((arg) => this.#shown(arg))]);
    return this.cli(...args);
  }

  async logIn(): Promise<void> {
    const tokenFile = join(this.folder, 'admin-token');
    await writeFile(tokenFile, this.adminToken, { mode: 0o600 });
    await this.cli('login', this.hub.url, '--token-file', tokenFile, '--ca-fingerprint', this.hub.caSha256);
  }

  agentData(id: string): string {
    return join(this.folder, 'agents', id);
  }

  async enrol(id: string, joinToken: string): Promise<void> {
    await mkdir(join(this.folder, 'agents'), { recursive: true });
    const tokenFile = join(this.folder, 'agents', `${id}.token`);
    await writeFile(tokenFile, joinToken, { mode: 0o600 });
    const done = await this.#options.programs.run('modelfleet-agent', [
      ...['enrol', '--token-file', tokenFile, '--id', id, '--data', this.agentData(id)],
    ]);
    if (done.code !== 0) throw new Error(`modelfleet-agent enrol ended with ${done.code}: ${done.stderr}`);
  }

  /** Starts an agent, the first time on a free port, later on the same; resolves when its local API answers. */
  async startAgent(id: string, flags: readonly string[] = []): Promise<void> {
    const port = this.#urls.has(id) ? new URL(this.agentUrl(id)).port : await lastingPort();
    const program = this.#options.programs.start(
      'modelfleet-agent',
      [
        ...['run', '--data', this.agentData(id), '--port', String(port), '--json'],
        ...(this.#options.agentFlags ?? []),
        ...flags,
      ],
      `agent-${id}`,
    );
    this.#agents.set(id, program);
    this.#urls.set(id, String((await program.ready())['url']));
  }

  agentUrl(id: string): string {
    const url = this.#urls.get(id);
    if (!url) throw new Error(`agent ${id} has not been started`);
    return url;
  }

  /** Process id of a running agent. */
  agentPid(id: string): number {
    return this.#agents.get(id)!.pid;
  }

  async stopAgent(id: string, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const program = this.#agents.get(id);
    program?.kill(signal);
    await program?.exited;
  }

  async agentStatus(id: string): Promise<Record<string, unknown>> {
    const done = await this.#options.programs.run('modelfleet-agent', [
      ...['status', '--data', this.agentData(id), '--json'],
    ]);
    if (done.code !== 0) throw new Error(`modelfleet-agent status ended with ${done.code}: ${done.stderr}`);
    return JSON.parse(done.stdout) as Record<string, unknown>;
  }

  /** One request to the hub's REST API with the admin token. */
  async rest(
    method: 'GET' | 'POST',
    path: string,
    body?: unknown,
  ): Promise<{ status: number; body: unknown }> {
    const dispatcher = new Agent({ connect: { ca: this.hub.caPem } });
    const response = await request(`${this.hub.url}/api/v1${path}`, {
      method,
      dispatcher,
      headers: { authorization: `Bearer ${this.adminToken}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const answer = { status: response.statusCode, body: await response.body.json() };
    await dispatcher.close();
    return answer;
  }

  /** A program's log. */
  async logText(name: string): Promise<string> {
    return readFile(join(this.folder, 'logs', `${name}.log`), 'utf8').catch(() => '');
  }

  #shown(arg: string): string {
    const short = arg.replace(this.folder, '…');
    return /\s/.test(short) ? JSON.stringify(short) : short;
  }
}

/** Asks again until `look` returns something; throws, naming `what`, when it does not in time. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined>,
  waitMsMax = WAIT_MS_MAX,
): Promise<T> {
  const end = performance.now() + waitMsMax;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > end) throw new Error(`waited ${waitMsMax / 1_000} s in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, WAIT_STEP_MS));
  }
}
