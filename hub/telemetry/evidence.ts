/**
 * Evidence of rollouts: what a device's windows add up to since a rollout offered it the version. A window belongs to the
 * rollout that the device claims to run the version for, if that rollout is under way and has offered the device that
 * version; whenever it arrives, it belongs to no other. So a version that is rolled out again starts without evidence.
 *
 * The windows of an offer cover no more time than has passed since it was made. Each is covered by the time since the one
 * before it was accepted, and unused time is kept, so that windows that waited on the device are covered too.
 */
import type { Transaction } from 'kysely';
import type { Logger } from '../../platform/logger.ts';
import type { AppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import type { Tables } from '../db/tables.ts';
import type { CheckedReport } from './checked-report.ts';
import { EvidenceCache, type OfferEvidence } from './evidence-cache.ts';
import { type EvidenceKey, type EvidenceRow, type EvidenceStore, evidenceText } from './evidence-store.ts';
import { FigureSums } from './figure-sums.ts';
import { spanTooLong } from './plausibility.ts';
import { decodeSums } from './sums-encoding.ts';

/** A device's claim that it runs a version for a rollout. */
export interface AssignmentClaim extends EvidenceKey {
  readonly model: string;
  readonly version: string;
  /** Which offer of the rollout; undefined for an agent that does not send it. */
  readonly offer: number | undefined;
}

export interface AssignmentLookup {
  /**
   * For each claim, when the rollout offered that version to the device; undefined unless it did, is under way, and that offer is
   * the last one.
   */
  offeredAt(claims: readonly AssignmentClaim[]): Promise<readonly (number | undefined)[]>;
}

export interface DeviceReport {
  readonly deviceId: string;
  readonly report: CheckedReport;
}

/** A report and the offer that it is evidence for. */
export interface EvidenceReport extends DeviceReport {
  readonly key: EvidenceKey;
  readonly offeredAt: number;
}

export interface EvidenceProps {
  readonly store: EvidenceStore;
  readonly assignments: AssignmentLookup;
  readonly logger: Logger;
}

/** One row while a batch is added to it. */
interface Account {
  readonly key: EvidenceKey;
  readonly offeredAt: number;
  readonly sums: FigureSums;
  creditMs: number;
}

export class Evidence {
  readonly #props: EvidenceProps;
  readonly #cache: EvidenceCache;

  constructor(props: EvidenceProps) {
    this.#props = props;
    const read = (row: EvidenceRow): OfferEvidence => {
      const { requests, features } = this.#sumsOf(row).figures();
      return { offeredAt: row.offeredAt, figures: { requests, features } };
    };
    this.#cache = new EvidenceCache({ store: props.store, read });
  }

  /** Those of the reports that belong to an offer of a rollout under way. To be called before a transaction is begun. */
  async belonging(reports: readonly DeviceReport[]): Promise<readonly EvidenceReport[]> {
    const claimed = reports.flatMap(({ deviceId, report }) => {
      const { rollout: rolloutId, model, version, offer } = report;
      return rolloutId === undefined
        ? []
        : [{ deviceId, report, claim: { rolloutId, deviceId, model, version, offer } }];
    });
    if (claimed.length === 0) return [];
    const offers = await this.#props.assignments.offeredAt(claimed.map(({ claim }) => claim));
    return claimed.flatMap(({ deviceId, report, claim: { rolloutId } }, i) => {
      const offeredAt = offers[i];
      return offeredAt === undefined ? [] : [{ deviceId, report, key: { rolloutId, deviceId }, offeredAt }];
    });
  }

  /** Adds the reports; returns those it refuses, with `telemetry_implausible`. */
  async add(
    tx: Transaction<Tables>,
    reports: readonly EvidenceReport[],
    now: number,
  ): Promise<ReadonlyMap<CheckedReport, AppError>> {
    const refused = new Map<CheckedReport, AppError>();
    if (reports.length === 0) return refused;
    const accounts = await this.#accounts(tx, reports, now);
    for (const { key, report } of reports) {
      const account = accounts.get(evidenceText(key))!;
      if (account.creditMs - report.spanMs < -limits.telemetrySpanSlackMs) {
        refused.set(report, spanTooLong(report));
        continue;
      }
      account.creditMs -= report.spanMs;
      account.sums.add(report);
    }
    await this.#props.store.save(
      tx,
      [...accounts.values()].map(({ key, offeredAt, creditMs, sums }) => ({
        ...key,
        offeredAt,
        creditMs: Math.floor(creditMs),
        updatedAt: Math.floor(now),
        body: sums.encode(),
      })),
    );
    return refused;
  }

  /** What each device contributed for the last offer of the rollout to it, by id. The cost is what arrived since the last call; the
   * same map as then when that is nothing. */
  ofRollout(rolloutId: string): Promise<ReadonlyMap<string, OfferEvidence>> {
    return this.#cache.ofRollout(rolloutId);
  }

  /** To be called periodically: drops what was read of rollouts that were not queried since. */
  sweep(): void {
    this.#cache.sweep();
  }

  async #accounts(
    tx: Transaction<Tables>,
    reports: readonly EvidenceReport[],
    now: number,
  ): Promise<Map<string, Account>> {
    const keys = new Map(reports.map(({ key, offeredAt }) => [evidenceText(key), { key, offeredAt }]));
    const rows = await this.#props.store.rows(
      tx,
      [...keys.values()].map(({ key }) => key),
    );
    return new Map(
      [...keys].map(([text, { key, offeredAt }]) => {
        const stored = rows.get(text);
        // An offer that was withdrawn and made again is a new one, with evidence of its own.
        const row = stored?.offeredAt === offeredAt ? stored : undefined;
        const sinceMs = now - (row?.updatedAt ?? offeredAt);
        return [
          text,
          {
            key,
            offeredAt,
            sums: row ? this.#sumsOf(row) : new FigureSums(),
            // After the clock was set back the time is unknown: the next window passes once.
            creditMs: (row?.creditMs ?? 0) + (sinceMs >= 0 ? sinceMs : limits.telemetryWindowMsMax),
          },
        ];
      }),
    );
  }

  /** Unreadable evidence counts as none; it must not block that of other devices. */
  #sumsOf(row: EvidenceRow): FigureSums {
    const sums = new FigureSums();
    try {
      sums.add(decodeSums(row.body));
    } catch (error) {
      this.#props.logger.error(
        { evidence: evidenceText(row), err: error },
        'evidence of a rollout is unreadable and left out',
      );
    }
    return sums;
  }
}
