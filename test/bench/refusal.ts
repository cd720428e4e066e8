/**
 * `refusal/*`: what a hub pays to refuse a hostile request, in CPU time of its process, and the most memory it held
 * meanwhile; against a bare server that reads the same bytes and refuses them unseen. Through the door that needs no token
 * (enrolment), one that takes little (rollouts) and the one that takes most (versions).
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { Agent, request } from 'undici';
import { Authority } from '../../hub/pki/authority.ts';
import { systemClock } from '../../platform/system-clock.ts';
import { startBareRefuser } from './bare-refuser.ts';
import { type BenchRow, benchRow } from './bench-row.ts';
import { residentMemory } from './served-agent.ts';

const RUNS = 3;
/** A hub takes 600 requests a minute of an address at its door. */
const REQUESTS = 20;
const MB = 1_000_000;
const hubMain = new URL('../../hub/main.ts', import.meta.url).pathname;

interface Side {
  readonly pid: number;
  readonly url: string;
  readonly agent: Agent;
  readonly token: string;
}

const doors = {
  enrol: '/api/v1/enrol',
  rollouts: '/api/v1/rollouts',
  versions: '/api/v1/models/m/versions',
} as const;

const list = (entries: number) =>
  `{"facts":{"providers":[${'1,'.repeat(entries)}1]},"manifest":[${'1,'.repeat(entries)}1]}`;
const keys = (count: number) => `{${Array.from({ length: count }, (_, i) => `"key-${i}":${i}`).join(',')}}`;

/** Bodies beyond what any door takes, and the same kinds as large as each door takes. */
const bodies: readonly {
  readonly name: string;
  readonly body: string | Buffer;
  readonly headers?: object;
}[] = [
  { name: '4 MB list', body: list(1_000_000) },
  { name: '2 M brackets', body: '['.repeat(2_000_000) },
  { name: '4 MB string', body: JSON.stringify('x'.repeat(4_000_000)) },
  { name: '2 MB of keys', body: keys(115_000) },
  { name: '15 KB list', body: list(3_700) },
  { name: '15 KB of brackets', body: '['.repeat(15_000) },
  { name: '15 KB of keys', body: keys(950) },
  {
    name: 'gzip bomb',
    body: gzipSync(Buffer.alloc(10_000_000, 0x31)),
    headers: { 'content-encoding': 'gzip' },
  },
];

export async function run(): Promise<BenchRow[]> {
  const folder = await mkdtemp(join(tmpdir(), 'modelfleet-bench-'));
  const hub = await startHub(join(folder, 'hub'));
  const authority = await Authority.open(join(folder, 'pki'), { clock: systemClock, advertise: [] });
  const bare = await startBareRefuser({ key: authority.serverKeyPem, cert: authority.serverCertPem });
  const peer: Side = {
    pid: bare.child.pid!,
    url: `https://localhost:${bare.port}`,
    agent: new Agent({ connect: { ca: authority.caPem } }),
    token: 'none',
  };
  try {
    const rows: BenchRow[] = [];
    for (const [door, path] of Object.entries(doors)) {
      const peaks = { ours: [] as number[], theirs: [] as number[] };
      await measure(hub, path, bodies[4]!);
      for (const kind of bodies) {
        const ours: number[] = [];
        const theirs: number[] = [];
        for (let i = 0; i < RUNS; i += 1) {
          const mine = await measure(hub, path, kind);
          const other = await measure(peer, path, kind);
          ours.push(mine.cpuMs);
          theirs.push(other.cpuMs);
          peaks.ours.push(mine.peakMb);
          peaks.theirs.push(other.peakMb);
        }
        rows.push(benchRow(`refusal/${door} ${kind.name}`, 'CPU ms', ours, { 'read unseen': theirs }));
      }
      rows.push(
        benchRow(`refusal/${door} memory`, 'MB', [Math.max(...peaks.ours)], {
          'read unseen': [Math.max(...peaks.theirs)],
        }),
      );
    }
    return rows;
  } finally {
    bare.child.kill();
    hub.child.kill();
    await once(hub.child, 'exit');
    await Promise.all([hub.agent.close(), peer.agent.close()]);
    await rm(folder, { recursive: true, force: true });
  }
}

/** CPU time of one refusal, and how far memory rose above what was held before. */
async function measure(side: Side, path: string, { body, headers = {} }: (typeof bodies)[number]) {
  // Sets VmHWM to what is held now.
  await writeFile(`/proc/${side.pid}/clear_refs`, '5');
  const before = await residentMemory(side.pid);
  const started = await cpuMs(side.pid);
  for (let i = 0; i < REQUESTS; i += 1) {
    const status = await send(side, path, { body, headers });
    if (status < 400 || status >= 500) throw new Error(`${path} answered ${status}: it was to refuse`);
  }
  const used = (await cpuMs(side.pid)) - started;
  const { VmHWM } = await residentMemory(side.pid);
  return { cpuMs: used / REQUESTS, peakMb: (VmHWM - before.VmRSS) / MB };
}

/** The status; 413 too when the hub has answered and hung up while the body was still on its way. */
async function send(
  side: Side,
  path: string,
  { body, headers }: { body: string | Buffer; headers: object },
): Promise<number> {
  try {
    const answer = await request(`${side.url}${path}`, {
      method: 'POST',
      dispatcher: side.agent,
      headers: { authorization: `Bearer ${side.token}`, 'content-type': 'application/json', ...headers },
      body,
    });
    await answer.body.dump();
    return answer.statusCode;
  } catch (error) {
    if (['EPIPE', 'ECONNRESET', 'UND_ERR_SOCKET'].includes(String((error as { code?: string }).code)))
      return 413;
    throw error;
  }
}

/** CPU time of all threads, from the scheduler's own count. */
async function cpuMs(pid: number): Promise<number> {
  const threads = await readdir(`/proc/${pid}/task`);
  const counts = await Promise.all(
    threads.map(async (thread) => {
      const text = await readFile(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').catch(() => '0');
      return Number(text.split(' ')[0]) / 1e6;
    }),
  );
  return counts.reduce((sum, ms) => sum + ms, 0);
}

async function startHub(data: string) {
  const child = spawn(
    process.execPath,
    [hubMain, '--data', data, '--http-port', '0', '--mqtt-port', '0', '--json'],
    {
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  let told = '';
  for await (const chunk of child.stdout!.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
    told += String(chunk);
    if (told.includes('\n')) break;
  }
  child.stdout!.resume();
  const { url, adminTokenFile } = JSON.parse(told) as { url: string; adminTokenFile: string };
  const token = (await readFile(adminTokenFile, 'utf8')).trim();
  const ca = await readFile(join(data, 'pki', 'ca.pem'), 'utf8');
  return { child, pid: child.pid!, url, agent: new Agent({ connect: { ca } }), token };
}
