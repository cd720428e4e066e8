/**
 * A load generator in a process of its own: one request, sent again and again over plain sockets. Closed loop: each
 * connection sends the next request when it has its answer, also after a refusal. Open loop: requests are due at a fixed
 * rate, whether answers come or not; one that finds no free connection opens another, up to `connections`.
 */
import { fork } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';

export interface Load {
  readonly port: number;
  readonly path: string;
  readonly body: string;
  readonly connections: number;
  readonly seconds: number;
  /** Requests a second of an open loop; closed loop when absent. */
  readonly rate?: number;
}

export interface LoadResult {
  /** Answers with status 200, a second. */
  readonly goodput: number;
  readonly refused: number;
  /** Connections that broke, and requests that found none. */
  readonly lost: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export async function runLoad(load: Load): Promise<LoadResult> {
  const child = fork(fileURLToPath(import.meta.url), ['generate']);
  try {
    return await new Promise<LoadResult>((resolve, reject) => {
      child.on('message', (result) => resolve(result as LoadResult));
      child.on('exit', (code) => reject(new Error(`the load generator ended with code ${code}`)));
      child.send(load);
    });
  } finally {
    child.kill();
  }
}

class Generator {
  readonly #load: Load;
  readonly #request: string;
  readonly #free: Socket[] = [];
  readonly #latencies: number[] = [];
  #open = 0;
  #ok = 0;
  #refused = 0;
  #lost = 0;
  #isOver = false;

  constructor(load: Load) {
    this.#load = load;
    const { port, path, body } = load;
    this.#request = [
      `POST ${path} HTTP/1.1`,
      `Host: 127.0.0.1:${port}`,
      'Content-Type: application/json',
      `Content-Length: ${Buffer.byteLength(body)}`,
      '',
      body,
    ].join('\r\n');
  }

  async run(): Promise<LoadResult> {
    const { connections, seconds, rate } = this.#load;
    const startedMs = performance.now();
    if (rate === undefined) for (let i = 0; i < connections; i += 1) this.#connect();
    else this.#tick(rate, startedMs, 0);
    await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
    this.#isOver = true;
    const tookSeconds = (performance.now() - startedMs) / 1_000;
    const sorted = this.#latencies.sort((a, b) => a - b);
    const at = (quantile: number) => sorted[Math.ceil(sorted.length * quantile) - 1] ?? 0;
    return {
      goodput: this.#ok / tookSeconds,
      refused: this.#refused,
      lost: this.#lost,
      p50Ms: at(0.5),
      p99Ms: at(0.99),
    };
  }

  #tick(rate: number, startedMs: number, sentBefore: number): void {
    if (this.#isOver) return;
    const due = Math.floor(((performance.now() - startedMs) / 1_000) * rate);
    for (let i = sentBefore; i < due; i += 1) {
      const socket = this.#free.pop();
      if (socket) this.#send(socket);
      else if (this.#open < this.#load.connections) this.#connect();
      else this.#lost += 1;
    }
    setTimeout(() => this.#tick(rate, startedMs, due), 2);
  }

  #connect(): void {
    this.#open += 1;
    const socket = connect(this.#load.port, '127.0.0.1');
    let pending = '';
    let sentMs = 0;
    socket.setNoDelay(true).setEncoding('latin1');
    socket.on('connect', () => this.#send(socket));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#open -= 1;
      if (this.#isOver) return;
      this.#lost += 1;
      const at = this.#free.indexOf(socket);
      if (at >= 0) this.#free.splice(at, 1);
      if (this.#load.rate === undefined) setTimeout(() => this.#connect(), 10);
    });
    socket.on('sent', () => {
      sentMs = performance.now();
    });
    socket.on('data', (text: string) => {
      pending += text;
      const head = pending.indexOf('\r\n\r\n');
      if (head < 0) return;
      const length = Number(/content-length: (\d+)/i.exec(pending)?.[1]);
      if (pending.length < head + 4 + length) return;
      if (pending.startsWith('HTTP/1.1 200')) {
        this.#ok += 1;
        this.#latencies.push(performance.now() - sentMs);
      } else this.#refused += 1;
      pending = '';
      if (this.#isOver) socket.destroy();
      else if (this.#load.rate === undefined) this.#send(socket);
      else this.#free.push(socket);
    });
  }

  #send(socket: Socket): void {
    socket.emit('sent');
    socket.write(this.#request);
  }
}

if (process.argv[2] === 'generate') {
  process.once('message', async (load) => {
    process.send?.(await new Generator(load as Load).run());
  });
}
