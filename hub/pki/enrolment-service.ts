/**
 * Makes a caller with a join token's secret a device of the hub: the use of the token, the device and the audit row are
 * one transaction. Nothing is signed before the token was looked at, and an unknown secret gets one answer, whatever
 * is wrong with it.
 */
import { AppError } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import type { EnrolmentRequest, EnrolmentResponse } from '../../shared/protocol/enrolment.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import type { Database } from '../db/database.ts';
import type { DeviceService } from '../devices/device-service.ts';
import type { Authority } from './authority.ts';
import { secretSha256, summaryOf } from './join-token-service.ts';
import type { JoinTokenRow, JoinTokenStore } from './join-token-store.ts';

export interface EnrolmentServiceProps {
  readonly database: Database;
  readonly store: JoinTokenStore;
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
    const { store, clock, authority, rootFile, mqtt } = this.#props;
    const { device } = request;
    const token = await store.findBySecret(secretSha256(request.secret));
    if (!token) {
      throw new AppError(
        'join_token_unknown',
        `Cannot enrol "${device}": the hub does not know this join token.`,
      );
    }
    const refusal = refusalOf(token, device, clock.now());
    if (refusal) throw refusal;
    const root = await rootFile();
    if (!root) {
      throw new AppError('trust_not_initialised', `Cannot enrol "${device}": the hub has no trust root.`);
    }
    const certificate = authority.signDeviceCsr(request.csr, device);
    await this.#admit(request, token, certificate, address);
    return {
      v: 1,
      device,
      group: token.device_group,
      certificate: certificate.certificatePem,
      ca: authority.caPem,
      mqtt: mqtt(),
      root: Buffer.from(root).toString('base64'),
    };
  }

  #admit(
    { device, facts }: EnrolmentRequest,
    token: JoinTokenRow,
    certificate: ReturnType<Authority['signDeviceCsr']>,
    address: string,
  ): Promise<void> {
    const { database, store, devices, audit, clock } = this.#props;
    return database.transaction().execute(async (tx) => {
      const now = clock.now();
      if (!(await store.use(token.id, now, tx))) {
        // Between the first look and this one the last use was taken, the time ran out, or the token was revoked.
        throw refusalOf({ ...token, uses_left: 0 }, device, now) as AppError;
      }
      await devices.admit({ id: device, group: token.device_group, facts, certificate }, tx);
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

function refusalOf(token: JoinTokenRow, device: string, now: number): AppError | undefined {
  const { status, expiresAt, usesTotal } = summaryOf(token, now);
  const start = `Cannot enrol "${device}": join token "${token.id}"`;
  switch (status) {
    case 'usable':
      return undefined;
    case 'revoked':
      return new AppError('join_token_revoked', `${start} was revoked.`);
    case 'used-up':
      return new AppError('join_token_used_up', `${start} was for ${usesTotal} device(s) and is used up.`);
    case 'expired':
      return new AppError('join_token_expired', `${start} expired at ${new Date(expiresAt).toISOString()}.`);
  }
}
