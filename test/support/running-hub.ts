/** A whole hub in this process: real TLS, real SQLite, ports of its own, a folder that goes away with it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import { pino } from 'pino';
import { HttpHubClient } from '../../cli/hub-client.ts';
import { type HubOptions, hubOptionTable } from '../../hub/config/options-schema.ts';
import { createHub } from '../../hub/hub.ts';
import type { Hub, HubAddresses, StartOptions } from '../../hub/hub-lifecycle.ts';
import { resolveOptions } from '../../platform/option-table.ts';
import { systemClock } from '../../platform/system-clock.ts';
import type { Clock } from '../../shared/base/clock.ts';

export interface RunningHubOptions {
  readonly options?: Partial<HubOptions>;
  readonly clock?: Clock;
  /** Folder to run on; the test owns it. Default: a new one, removed by `stop`. */
  readonly data?: string;
  readonly startOptions?: StartOptions;
}

export class RunningHub {
  readonly data: string;
  /** Every line the hub logged, all levels. */
  readonly logLines: string[] = [];
  readonly #settings: RunningHubOptions;
  readonly #clients: HttpHubClient[] = [];
  #hub: Hub | undefined;
  #addresses: HubAddresses | undefined;
  #adminSecret = '';

  private constructor(data: string, settings: RunningHubOptions) {
    this.data = data;
    this.#settings = settings;
  }

  static async start(settings: RunningHubOptions = {}): Promise<RunningHub> {
    const data = settings.data ?? (await mkdtemp(join(tmpdir(), 'modelfleet-hub-')));
    const running = new RunningHub(data, settings);
    try {
      await running.#start();
      return running;
    } catch (error) {
      await running.stop();
      throw error;
    }
  }

  get addresses(): HubAddresses {
    return this.#addresses!;
  }
  get url(): string {
    return this.addresses.url;
  }
  get ca(): string {
    return this.addresses.caPem;
  }
  get mqtt(): HubAddresses['mqtt'] {
    return this.addresses.mqtt;
  }
  /** Secret of the first admin token. */
  get adminToken(): string {
    return this.#adminSecret;
  }
  /** REST client of the first admin. */
  get client(): HttpHubClient {
    return this.clientOf(this.#adminSecret);
  }

  clientOf(token: string): HttpHubClient {
    const client = new HttpHubClient({ url: this.url, token, ca: this.ca });
    this.#clients.push(client);
    return client;
  }

  /** Makes a token of `role` and returns a client with it. */
  async clientAs(role: string): Promise<HttpHubClient> {
    const made = await this.client.post('/tokens', { name: `test-${role}-${this.#clients.length}`, role });
    return this.clientOf((made as { secret: string }).secret);
  }

  /** Stops and starts again on the same folder and ports; `pauseMs` between the two. */
  async restart({ pauseMs = 0 }: { readonly pauseMs?: number } = {}): Promise<void> {
    const { url, mqtt } = this.addresses;
    await this.#halt();
    await wait(pauseMs);
    await this.#start({ httpPort: Number(new URL(url).port), mqttPort: mqtt.port });
  }

  /** Stops; `stop` removes the folder. */
  halt(): Promise<void> {
    return this.#halt();
  }

  async stop(): Promise<void> {
    await this.#halt();
    if (this.#settings.data === undefined) await rm(this.data, { recursive: true, force: true });
  }

  async #start(ports: Partial<HubOptions> = {}): Promise<void> {
    const logger = pino(
      { level: 'trace' },
      new Writable({
        write: (chunk, _encoding, done) => {
          this.logLines.push(String(chunk));
          done();
        },
      }),
    );
    const options: HubOptions = {
      ...resolveOptions(hubOptionTable, []),
      data: this.data,
      httpPort: 0,
      mqttPort: 0,
      ...this.#settings.options,
      ...ports,
    };
    const clock = this.#settings.clock ?? systemClock;
    this.#hub = createHub(options, { clock, random: Math.random, logger });
    this.#addresses = await this.#hub.start(this.#settings.startOptions);
    this.#adminSecret ||= this.#addresses.adminToken?.secret ?? '';
  }

  async #halt(): Promise<void> {
    await Promise.all(this.#clients.splice(0).map((client) => client.close()));
    await this.#hub?.stop();
    this.#hub = undefined;
  }
}
