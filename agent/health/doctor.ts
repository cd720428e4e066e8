/** The checks of `doctor`. Each says what it found; what is wrong comes with the way out. Changes nothing. */
import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { pino } from 'pino';
import { freeBytes } from '../../platform/free-bytes.ts';
import { systemClock } from '../../platform/system-clock.ts';
import { RunnerProcess } from '../../runner/runner-client.ts';
import { errorText, isAppError } from '../../shared/base/app-error.ts';
import { formatBytes } from '../../shared/base/bytes.ts';
import { limits } from '../../shared/base/limits.ts';
import { dataFolder } from '../config/data-folder.ts';
import { checkCertificateTime, type DeviceIdentity, loadIdentity } from '../connection/identity.ts';
import { ClockFloor } from '../trust/clock-floor.ts';
import { VerifiedFiles } from '../trust/verified-files.ts';
import { checkAgent } from './agent-check.ts';
import type { Check } from './check.ts';
import { clockSuspicion } from './clock-check.ts';
import { findForeignEntries, foreignEntriesText } from './foreign-entries.ts';
import { probeModel } from './probe-model.ts';

const CONNECT_MS = 5_000;

export async function examine(data: string): Promise<readonly Check[]> {
  const checks: Check[] = [];
  const identity = await checked(
    checks,
    'identity',
    () => loadIdentity(data),
    ({ device, group }) => `"${device}" in group "${group}"`,
  );
  if (identity) {
    await checked(
      checks,
      'certificate',
      async () => checkCertificateTime(identity.certificatePem, systemClock),
      () => {
        return `valid until ${new Date(identity.certificateExpiresAt).toISOString()}`;
      },
    );
    checks.push(await checkClock(data, identity));
    checks.push(await checkHub(identity));
    checks.push(await checkTrust(data));
    checks.push(...(await checkAgent(data)));
  }
  checks.push(await checkDisk(data));
  const foreign = foreignEntriesText(await findForeignEntries(data));
  if (foreign) {
    const wayOut = 'Move it elsewhere, or leave it: the agent runs all the same.';
    checks.push({ name: 'folder', verdict: 'warn', found: foreign, wayOut });
  }
  checks.push(await checkRunner());
  return checks;
}

async function checked<T>(
  checks: Check[],
  name: string,
  look: () => Promise<T>,
  tell: (found: T) => string,
): Promise<T | undefined> {
  try {
    const found = await look();
    checks.push({ name, verdict: 'ok', found: tell(found) });
    return found;
  } catch (error) {
    checks.push(failed(name, error));
    return undefined;
  }
}

function failed(name: string, error: unknown): Check {
  const wayOut = isAppError(error) ? error.entry.fix : undefined;
  return { name, verdict: 'fail', found: errorText(error), ...(wayOut !== undefined && { wayOut }) };
}

async function checkClock(data: string, identity: DeviceIdentity): Promise<Check> {
  const certificate = new X509Certificate(identity.certificatePem);
  const floor = await ClockFloor.open(dataFolder(data).clock, systemClock);
  const suspicion = clockSuspicion({
    nowMs: systemClock.now(),
    provenMs: floor.now(),
    certificateFromMs: Date.parse(certificate.validFrom),
    certificateToMs: Date.parse(certificate.validTo),
  });
  const now = new Date(systemClock.now()).toISOString();
  if (suspicion === undefined) return { name: 'clock', verdict: 'ok', found: now };
  return {
    name: 'clock',
    verdict: 'fail',
    found: suspicion,
    wayOut: 'Set the clock of this device (NTP), then start the agent again.',
  };
}

function checkHub(identity: DeviceIdentity): Promise<Check> {
  const { host, port } = identity.mqtt;
  const name = 'hub';
  return new Promise((resolve) => {
    const socket = connect({
      host,
      port,
      servername: host,
      ca: identity.caPem,
      cert: identity.certificatePem,
      key: identity.keyPem,
      timeout: CONNECT_MS,
    });
    const end = (check: Check) => {
      socket.destroy();
      resolve(check);
    };
    const wayOut = `Check that the hub runs and that this device reaches ${host}:${port}.`;
    socket.once('secureConnect', () =>
      end({ name, verdict: 'ok', found: `mqtts://${host}:${port} answers with the right certificate` }),
    );
    socket.once('timeout', () =>
      end({
        name,
        verdict: 'fail',
        found: `mqtts://${host}:${port} does not answer within ${CONNECT_MS} ms`,
        wayOut,
      }),
    );
    socket.once('error', (error) =>
      end({ name, verdict: 'fail', found: `mqtts://${host}:${port}: ${error.message}`, wayOut }),
    );
  });
}

async function checkTrust(data: string): Promise<Check> {
  const name = 'trust';
  try {
    const set = await new VerifiedFiles(dataFolder(data).trust).load();
    if (set.timestamp === undefined) {
      return {
        name,
        verdict: 'warn',
        found: 'the root is pinned; no metadata was verified yet',
        wayOut: 'It comes with the first connection to the hub; run "modelfleet-agent run".',
      };
    }
    const expires = (JSON.parse(set.timestamp) as { signed: { expires: string } }).signed.expires;
    if (Date.parse(expires) > systemClock.now())
      return { name, verdict: 'ok', found: `metadata verified, good until ${expires}` };
    const wayOut = 'It is renewed with the next connection. What runs goes on; new versions wait.';
    return { name, verdict: 'warn', found: `the metadata expired at ${expires}`, wayOut };
  } catch (error) {
    return {
      ...failed(name, error),
      wayOut: 'Enrol the device again: the pinned root is missing or unreadable.',
    };
  }
}

async function checkDisk(data: string): Promise<Check> {
  const name = 'disk';
  try {
    const free = await freeBytes(data);
    const found = `${formatBytes(free)} free in "${data}"`;
    if (free >= limits.freeSpaceMarginBytes) return { name, verdict: 'ok', found };
    return {
      name,
      verdict: 'warn',
      found,
      wayOut: `Free space: installs keep ${formatBytes(limits.freeSpaceMarginBytes)} untouched.`,
    };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return {
        name,
        verdict: 'fail',
        found: `there is no folder "${data}"`,
        wayOut: 'Name the data folder with --data.',
      };
    }
    return { ...failed(name, error), wayOut: 'Check that the disk is mounted and the folder may be read.' };
  }
}

/** Loads a tiny model in a runner: the same process, the same library as a version that serves. */
async function checkRunner(): Promise<Check> {
  const name = 'runner';
  const folder = await mkdtemp(join(tmpdir(), 'modelfleet-doctor-'));
  try {
    const file = join(folder, 'probe.onnx');
    await writeFile(file, probeModel());
    const started = performance.now();
    const runner = await RunnerProcess.start(
      { file, provider: 'cpu', threads: 1 },
      { logger: pino({ level: 'silent' }) },
    );
    await runner.close();
    return {
      name,
      verdict: 'ok',
      found: `a runner loads ONNX Runtime in ${Math.round(performance.now() - started)} ms`,
    };
  } catch (error) {
    return {
      ...failed(name, error),
      wayOut: 'Install the program again; ONNX Runtime needs a 64-bit Linux, macOS or Windows.',
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
