/**
 * Makes a caller with a join token's secret a device of the hub: the use of the token, the device and the audit row are
 * one transaction. Nothing is signed before the token was looked at, and an unknown secret gets one answer, whatever
 * is wrong with it. An answer may be lost on its way: who asks again with the same token, id and key is given the same
 * identity, and uses nothing up.
 */

import { createPublicKey } from 'node:crypto';
import { AppError, isAppError } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { sha256 } from '../../shared/digest/sha256.ts';
import type { EnrolmentRequest, EnrolmentResponse } from '../../shared/protocol/enrolment.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import type { Database } from '../db/database.ts';
import type { DeviceService } from '../devices/device-service.ts';
import type { Authority } from './authority.ts';
import { certificateSha256 } from './certificate.ts';
import { readDeviceCsr } from './csr.ts';
import type { EnrolmentStore } from './enrolment-store.ts';
import { secretSha256, summaryOf } from './join-token-service.ts';
import type { JoinTokenRow, JoinTokenStore } from './join-token-store.ts';

export interface EnrolmentServiceProps {
  readonly database: Database;
  readonly store: JoinTokenStore;
  readonly enrolments: EnrolmentStore;
  readonly devices: DeviceService;
  readonly authority: Authority;
  readonly audit: AuditLog;
  readonly clock: Clock;
  /** Where devices reach the broker; known once the hub listens. */
  readonly mqtt: () => { readonly host: string; readonly port: number };
  readonly rootFile: () => Promise<Uint8Array | undefined>;
}

export class EnrolmentService {
  readonly #props: EnrolmentServiceProps;

  constructor(props: EnrolmentServiceProps) {
    this.#props = props;
  }

  /**
   * Throws `join_token_unknown`, `join_token_revoked`, `join_token_used_up`, `join_token_expired`, `device_exists`,
   * `bad_csr`, `trust_not_initialised`. A refusal uses nothing up.
   */
  async enrol(request: EnrolmentRequest, address: string): Promise<EnrolmentResponse> {
    const { store, authority, rootFile, mqtt } = this.#props;
    const { device } = request;
    const token = await store.findBySecret(secretSha256(request.secret));
    if (!token) {
      throw new AppError(
        'join_token_unknown',
        `Cannot enrol "${device}": the hub does not know this join token.`,
      );
    }
    const root = await rootFile();
    if (!root) {
      throw new AppError('trust_not_initialised', `Cannot enrol "${device}": the hub has no trust root.`);
    }
    const certificate =
      (await this.#repeated(request, token, address)) ?? (await this.#enrol(request, token, address));
    return {
      v: 1,
      device,
      group: token.device_group,
      certificate,
      ca: authority.caPem,
      mqtt: mqtt(),
      root: Buffer.from(root).toString('base64'),
    };
  }

  /** PEM of the device's new certificate. */
  async #enrol(request: EnrolmentRequest, token: JoinTokenRow, address: string): Promise<string> {
    const { clock, authority } = this.#props;
    const refusal = refusalOf(token, request.device, clock.now());
    if (refusal) throw refusal;
    const certificate = authority.signDeviceCsr(request.csr, request.device);
    await this.#props.devices.clear(request.device);
    try {
      await this.#admit(request, token, certificate, address);
      return certificate.certificatePem;
    } catch (error) {
      // The same request twice at the same time: the other one was first.
      const wasFirst = isAppError(error, 'join_token_used_up') || isAppError(error, 'device_exists');
      const repeated = wasFirst ? await this.#repeated(request, token, address) : undefined;
      if (repeated === undefined) throw error;
      return repeated;
    }
  }

  /**
   * The certificate this very request was answered with before; undefined when it is not a repetition. The token may have
   * no use left, but it must be within its time and not revoked, and the device must still be the one of that answer.
   */
  async #repeated(
    { device, csr }: EnrolmentRequest,
    token: JoinTokenRow,
    address: string,
  ): Promise<string | undefined> {
    const { database, enrolments, devices, audit, clock } = this.#props;
    const before = await enrolments.find(device);
    if (before?.join_token_id !== token.id) return undefined;
    if (token.revoked_at !== null || token.expires_at <= clock.now()) return undefined;
    if (before.key_sha256 !== keySha256(readDeviceCsr(csr, device))) return undefined;
    if (!(await devices.isAdmitted(device, certificateSha256(before.certificate)))) return undefined;
    await database.transaction().execute((tx) =>
      audit.append(
        {
          actor: `device:${device}`,
          address,
          action: 'device.enrolment_repeated',
          target: `device/${device}`,
          details: { joinToken: token.id },
        },
        tx,
      ),
    );
    return before.certificate;
  }

  #admit(
    { device, facts, csr }: EnrolmentRequest,
    token: JoinTokenRow,
    certificate: ReturnType<Authority['signDeviceCsr']>,
    address: string,
  ): Promise<void> {
    const { database, store, enrolments, devices, audit, clock } = this.#props;
    return database.transaction().execute(async (tx) => {
      const now = clock.now();
      if (!(await store.use(token.id, now, tx))) {
        // Between the first look and this one the last use was taken, the time ran out, or the token was revoked.
        throw refusalOf({ ...token, uses_left: 0 }, device, now) as AppError;
      }
      await devices.admit({ id: device, group: token.device_group, facts, certificate }, tx);
      const row = {
        device_id: device,
        join_token_id: token.id,
        key_sha256: keySha256(readDeviceCsr(csr, device)),
        certificate: certificate.certificatePem,
      };
      await enrolments.keep(row, tx);
      await audit.append(
        {
          actor: `device:${device}`,
          address,
          action: 'device.enrolled',
          target: `device/${device}`,
          details: { joinToken: token.id, group: token.device_group, certificate: certificate.sha256 },
        },
        tx,
      );
    });
  }
}

/** SHA-256 of the public key's SPKI, lower-case hex. */
function keySha256(publicKeyPem: string): string {
  const der = createPublicKey(publicKeyPem).export({ type: 'spki', format: 'der' });
  return sha256(der);
}

function refusalOf(token: JoinTokenRow, device: string, now: number): AppError | undefined {
  const { status, expiresAt, usesTotal } = summaryOf(token, now);
  const start = `Cannot enrol "${device}": join token "${token.id}"`;
  switch (status) {
    case 'usable':
      return undefined;
    case 'revoked':
      return new AppError('join_token_revoked', `${start} was revoked.`);
    case 'used-up':
      return new AppError('join_token_used_up', `${start} has enrolled ${usesTotal} device(s), its maximum.`);
    case 'expired':
      return new AppError('join_token_expired', `${start} expired at ${new Date(expiresAt).toISOString()}.`);
  }
}
