/**
 * Makes this machine a device of a hub. The join token says which CA the hub must prove and which trust root to pin; the
 * secret is not sent before the first has been proven, and nothing but the key is kept before both have. The key is
 * kept for a repetition: the answer may be lost after the hub has used the token up.
 */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { makePrivateFolder, writeFileAtomic } from '../../platform/atomic-file.ts';
import { serverClockFault } from '../../platform/clock-fault.ts';
import { lockFolder } from '../../platform/folder-lock.ts';
import { certificateFingerprint, fetchCa } from '../../platform/pinned-tls.ts';
import { readRegularFile } from '../../platform/regular-file.ts';
import { isTrustFault, systemCas } from '../../platform/system-trust.ts';
import { errorOf, parseProblem } from '../../shared/api/problem.ts';
import { AppError, errorText, isAppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { DeviceId } from '../../shared/base/names.ts';
import { parser } from '../../shared/base/parse.ts';
import { sha256 } from '../../shared/digest/sha256.ts';
import {
  type DeviceFacts,
  type EnrolmentRequest,
  type EnrolmentResponse,
  parseEnrolmentResponse,
} from '../../shared/protocol/enrolment.ts';
import { type JoinToken, parseJoinToken } from '../../shared/protocol/join-token.ts';
import { dataFolder } from '../config/data-folder.ts';
import { VerifiedFiles } from '../trust/verified-files.ts';
import { enrolmentKey, forgetEnrolmentKey } from './enrolment-key.ts';
import {
  checkIdentity,
  type DeviceFile,
  identityFiles,
  identityFolder,
  isEnrolled,
  loadIdentity,
} from './identity.ts';

const ANSWER_MS = 30_000;
/** Throws `bad_input`. */
export const parseDeviceId = parser(DeviceId, 'device id');

export interface EnrolOptions {
  /** The join token, as the operator got it. */
  readonly token: string;
  readonly deviceId: string;
  /** Data folder of the agent. */
  readonly folder: string;
  readonly facts: DeviceFacts;
  /** Gives up an identity that is there. */
  readonly force?: boolean;
  /** PEM of the CAs that verify the REST API, instead of the system's, where the join token leaves that to the device. */
  readonly restCas?: string;
  readonly signal?: AbortSignal;
}

export interface Enrolled extends DeviceFile {
  /** How far the clock of this device is behind the hub's, milliseconds; negative when it is ahead. */
  readonly clockBehindMs: number;
}

/**
 * Enrols and leaves `identity/` and `trust/root.json` in the folder. Throws `bad_input` (token, id), `already_enrolled`,
 * `data_folder_locked`, `hub_unreachable`, `ca_mismatch`, `clock_skew`, `certificate_not_valid_now`, the hub's own
 * refusal, `enrolment_answer_refused`. After an error that may pass, the same call goes on with the same key.
 */
export async function enrol(options: EnrolOptions): Promise<Enrolled> {
  const token = parseJoinToken(options.token);
  const device = parseDeviceId(options.deviceId);
  if (!(await isEnrolled(options.folder))) return obtain(options, token, device);
  if (!options.force) {
    throw new AppError(
      'already_enrolled',
      `Cannot enrol "${device}": "${options.folder}" already contains the identity of an enrolled device.`,
    );
  }
  // Not under an agent that runs with the identity it is about to lose.
  const lock = lockFolder(options.folder);
  try {
    return await obtain(options, token, device);
  } finally {
    lock.release();
  }
}

async function obtain(options: EnrolOptions, token: JoinToken, device: string): Promise<Enrolled> {
  const { folder, signal } = options;
  const { restCas, hubCa } = await trustOf(token, options);
  const { keyPem, csrPem } = await enrolmentKey(folder, { device, secret: token.secret });
  try {
    const request: EnrolmentRequest = {
      v: 1,
      secret: token.secret,
      device,
      csr: csrPem,
      facts: options.facts,
    };
    const { answer, hubMs } = await post(token.hub, restCas, request, signal);
    const caPem = hubCa ?? checkedCa(answer.ca, token.ca);
    const root = checkAnswer(answer, token, { device, keyPem, caPem });
    const { group, mqtt, certificate: certificatePem } = answer;
    const file: DeviceFile = { v: 1, device, group, hub: token.hub, mqtt };
    await keep(folder, file, { keyPem, certificatePem, caPem, root });
    await forgetEnrolmentKey(folder);
    return { ...file, clockBehindMs: hubMs - Date.now() };
  } catch (error) {
    if (isAppError(error) && error.entry.retry === 'never') await forgetEnrolmentKey(folder);
    throw error;
  }
}

interface RestTrust {
  /** What the REST API is verified with. */
  readonly restCas: string | readonly string[];
  /** The hub's CA, where it is what verifies the REST API too. */
  readonly hubCa?: string;
}

/** The secret goes to nobody else: the REST API must prove itself by the hub's CA, or by what the join token names instead. */
async function trustOf(token: JoinToken, { restCas, signal }: EnrolOptions): Promise<RestTrust> {
  const fetchOptions = signal ? { signal } : {};
  if (token.tls === undefined) {
    const hubCa = await fetchCa(token.hub, token.ca, fetchOptions);
    return { restCas: hubCa, hubCa };
  }
  if (restCas !== undefined) return { restCas };
  if (token.tls === 'system') return { restCas: systemCas() };
  return { restCas: await fetchCa(token.hub, token.tls, fetchOptions) };
}

/** The hub's CA of an answer, which the join token pins. */
function checkedCa(caPem: string, wanted: string): string {
  let found = 'no certificate';
  try {
    found = certificateFingerprint(caPem);
  } catch {
    // Told below.
  }
  if (found === wanted) return caPem;
  throw refuse(`its CA has SHA-256 ${found}, and the join token names ${wanted}`);
}

/** The trust root of an answer that is what was asked for. Throws `enrolment_answer_refused`. */
function checkAnswer(
  answer: EnrolmentResponse,
  token: JoinToken,
  { device, keyPem, caPem }: { readonly device: string; readonly keyPem: string; readonly caPem: string },
): Uint8Array {
  if (answer.device !== device) throw refuse(`it is for device "${answer.device}"`);
  const root = Buffer.from(answer.root, 'base64');
  const rootSha256 = sha256(root);
  if (rootSha256 !== token.root) {
    throw refuse(`its trust root has SHA-256 ${rootSha256}, and the join token names ${token.root}`);
  }
  // The CA proven by its fingerprint is the one to keep, whatever the answer carries.
  try {
    checkIdentity({ device, keyPem, certificatePem: answer.certificate, caPem });
  } catch (cause) {
    throw refuse(errorText(cause), cause);
  }
  return root;
}

interface Kept {
  readonly keyPem: string;
  readonly certificatePem: string;
  readonly caPem: string;
  readonly root: Uint8Array;
}

/** device.json goes first and comes last: at no instant does it vouch for files of two enrolments. */
async function keep(folder: string, file: DeviceFile, kept: Kept): Promise<void> {
  const identity = identityFolder(folder);
  const { trust } = dataFolder(folder);
  const stale = await staleFiles(folder, file.device, kept.root);
  await makePrivateFolder(identity);
  await rm(join(identity, identityFiles.device), { force: true });
  for (const path of stale) await rm(path, { recursive: true, force: true });
  // Metadata verified under an older root says nothing under the new one.
  await rm(trust, { recursive: true, force: true });
  await makePrivateFolder(trust);
  await writeFileAtomic(join(trust, 'root.json'), kept.root);
  await writeFileAtomic(join(identity, identityFiles.key), kept.keyPem);
  await writeFileAtomic(join(identity, identityFiles.certificate), kept.certificatePem);
  await writeFileAtomic(join(identity, identityFiles.ca), kept.caPem);
  await writeFileAtomic(join(identity, identityFiles.device), `${JSON.stringify(file, null, 2)}\n`);
}

/**
 * What an earlier enrolment left that means nothing now. Desired state, journals and messages are those of one device: under
 * another, its first desired state would be refused as a replay. Versions and the proven time hold under one trust root. The
 * desired state goes in any case, as the metadata does that named who signed it.
 */
async function staleFiles(folder: string, device: string, root: Uint8Array): Promise<readonly string[]> {
  const paths = dataFolder(folder);
  const before = await loadIdentity(folder).catch(() => undefined);
  const known = await new VerifiedFiles(paths.trust).load().catch(() => undefined);
  const pinned = await readRegularFile(join(paths.trust, 'root.json'), limits.rootFileBytesMax).then(
    String,
    () => undefined,
  );
  const isSameRoot = [pinned, known?.root].includes(Buffer.from(root).toString('utf8'));
  const ofDevice = [paths.desired, paths.updates, paths.outbox];
  const ofRoot = [paths.slots, paths.slotIndex, paths.clock, paths.chunks];
  if (!isSameRoot) return [...ofDevice, ...ofRoot];
  return before?.device === device ? [paths.desired] : ofDevice;
}

async function post(
  hub: string,
  cas: string | readonly string[],
  body: EnrolmentRequest,
  signal: AbortSignal | undefined,
): Promise<{ readonly answer: EnrolmentResponse; readonly hubMs: number }> {
  const dispatcher = new Agent({
    connect: { ca: cas as string | string[], timeout: ANSWER_MS },
    maxResponseSize: 2 * limits.rootFileBytesMax,
    headersTimeout: ANSWER_MS,
    bodyTimeout: ANSWER_MS,
  });
  try {
    const response = await request(`${hub}/api/v1/enrol`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      dispatcher,
      ...(signal ? { signal } : {}),
    });
    const answer: unknown = await response.body.json();
    if (response.statusCode >= 400) throw errorOf(parseProblem(answer));
    const date = Date.parse(String(response.headers['date']));
    return { answer: parseEnrolmentResponse(answer), hubMs: Number.isNaN(date) ? Date.now() : date };
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    if (isTrustFault(cause)) {
      const fault = await serverClockFault(hub, cas, { signal });
      if (fault) throw fault;
      throw new AppError(
        'ca_mismatch',
        `Refused to enrol at ${hub}: this device does not trust its certificate (${errorText(cause)}). Nothing was sent to the server. Add its CA to the trust store of the system, or name the CA file with --ca-file.`,
        { cause },
      );
    }
    throw new AppError('hub_unreachable', `Cannot enrol at ${hub}: ${errorText(cause)}.`, { cause });
  } finally {
    await dispatcher.close();
  }
}

function refuse(why: string, cause?: unknown): AppError {
  return new AppError('enrolment_answer_refused', `Cannot use the hub's answer to the enrolment: ${why}.`, {
    cause,
  });
}
