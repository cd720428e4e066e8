/** The checks of `doctor`. Each says what it found; what is wrong comes with the way out. Changes nothing. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { clockToleranceMs, comparisonText, hubTime } from '../../platform/clock-fault.ts';
import { freeBytes } from '../../platform/free-bytes.ts';
import { systemClock } from '../../platform/system-clock.ts';
import { systemCas } from '../../platform/system-trust.ts';
import { RunnerProcess } from '../../runner/runner-client.ts';
import { formatBytes } from '../../shared/base/bytes.ts';
import { limits } from '../../shared/base/limits.ts';
import { dataFolder } from '../config/data-folder.ts';
import { checkCertificateTime } from '../connection/certificate-time.ts';
import { type DeviceIdentity, loadIdentity } from '../connection/identity.ts';
import { ClockFloor } from '../trust/clock-floor.ts';
import { checkAgent } from './agent-check.ts';
import { type Check, failed } from './check.ts';
import { certificateWarnMs, clockSuspicion } from './clock-check.ts';
import { conditionCatalogue } from './conditions.ts';
import { findForeignEntries, foreignEntriesText } from './foreign-entries.ts';
import { checkHub } from './hub-check.ts';
import { probeModel } from './probe-model.ts';
import { checkTrust } from './trust-check.ts';

export async function examine(data: string): Promise<readonly Check[]> {
  const checks: Check[] = [];
  const identity = await checked(
    checks,
    'identity',
    () => loadIdentity(data),
    ({ device, group }) => `"${device}" in group "${group}"`,
  );
  if (identity) {
    const floor = await ClockFloor.open(dataFolder(data).clock, systemClock, identity.certificateFrom);
    checks.push(await checkCertificate(identity, floor));
    checks.push(await checkClock(identity, floor));
    const agent = await checkAgent(data);
    checks.push(agent.isConnected ? connectedCheck(identity) : await checkHub(identity, floor));
    checks.push(await checkTrust(data, floor.now()), ...agent.checks);
  }
  checks.push(await checkDisk(data));
  const foreign = foreignEntriesText(await findForeignEntries(data));
  if (foreign) {
    const wayOut = 'Move the file elsewhere, or leave it: it does not affect the agent.';
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

async function checkCertificate(identity: DeviceIdentity, floor: ClockFloor): Promise<Check> {
  const name = 'certificate';
  const { certificateExpiresAt } = identity;
  try {
    await checkCertificateTime(identity, { clock: systemClock, floor });
  } catch (error) {
    return failed(name, error);
  }
  const found = `valid until ${new Date(certificateExpiresAt).toISOString()}`;
  if (certificateExpiresAt - floor.now() > certificateWarnMs) return { name, verdict: 'ok', found };
  return { name, verdict: 'warn', found, wayOut: conditionCatalogue.certificate_ends.wayOut };
}

function connectedCheck({ mqtt }: DeviceIdentity): Check {
  return { name: 'hub', verdict: 'ok', found: `the agent is connected to mqtts://${mqtt.host}:${mqtt.port}` };
}

/** What certificates and signed metadata prove, and the hub's own clock where it answers. */
async function checkClock(identity: DeviceIdentity, floor: ClockFloor): Promise<Check> {
  const name = 'clock';
  const hubMs = await hubTime(identity.hub, [identity.caPem, ...systemCas()]);
  const nowMs = systemClock.now();
  const suspicion = clockSuspicion({
    nowMs,
    provenMs: floor.now(),
    certificateFromMs: identity.certificateFrom,
    certificateToMs: identity.certificateExpiresAt,
  });
  const compared = hubMs === undefined ? undefined : comparisonText(hubMs, nowMs);
  const now = new Date(nowMs).toISOString();
  const found = compared === undefined ? now : `${now}, ${compared}`;
  if (suspicion === undefined && (hubMs === undefined || Math.abs(nowMs - hubMs) < clockToleranceMs)) {
    return { name, verdict: 'ok', found };
  }
  return {
    name,
    verdict: 'fail',
    found:
      suspicion === undefined || compared === undefined
        ? (suspicion ?? found)
        : `${suspicion} It is ${compared}.`,
    wayOut: conditionCatalogue.clock_suspect.wayOut,
  };
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
      wayOut: `Free space on this disk: the agent installs a version only if ${formatBytes(limits.freeSpaceMarginBytes)} stay free.`,
    };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return {
        name,
        verdict: 'fail',
        found: `the folder "${data}" does not exist`,
        wayOut: 'Give the path of the data folder with --data.',
      };
    }
    return failed(name, error, 'Check that the disk is mounted and that this user may read the folder.');
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
    return failed(name, error, 'Install modelfleet again. ONNX Runtime needs 64-bit Linux.');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
