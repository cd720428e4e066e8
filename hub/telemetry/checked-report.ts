/**
 * A device's report after all checks: that it has the form of a report, names a version this hub published, by the digest of
 * its manifest, and offered to the device, lays its counts out as that manifest's profile defines, and claims no more than
 * its time can hold. Reports are hostile until then: a compromised device can send anything, but only as counts of its own.
 */

import { AppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { errorCatalogue } from '../../shared/errors/catalogue.ts';
import type { ModelManifest } from '../../shared/manifest/model-manifest.ts';
import type { ReferenceProfile } from '../../shared/manifest/reference-profile.ts';
import type { TelemetryReport } from '../../shared/protocol/telemetry-report.ts';
import { countedClasses } from '../../shared/telemetry/label-figures.ts';
import { countsLength } from '../../shared/telemetry/window-counts.ts';
import type { PublishedVersion } from '../models/published-version.ts';
import { checkPlausible, spanMs } from './plausibility.ts';
import type { Addable } from './sums-encoding.ts';

export interface CheckedReport extends Addable {
  readonly model: string;
  readonly version: string;
  readonly stream: string;
  readonly number: number;
  /** Milliseconds that the window covers. */
  readonly spanMs: number;
  /** The rollout that the device claims to run the version for. */
  readonly rollout: string | undefined;
  /** Which offer of it; undefined for an agent that does not send it. */
  readonly offer: number | undefined;
  /** The reference profile that the features are laid out by. */
  readonly profile: ReferenceProfile | undefined;
}

/** Number of counts each feature must have, and the kind labels must have. */
interface Layout {
  readonly manifestSha256: string;
  readonly counts: ReadonlyMap<string, { readonly length: number; readonly moments: boolean }>;
  readonly label: 'regression' | 'classification' | undefined;
  /** Number of confusion counts; 0 for none. */
  readonly confusion: number;
  readonly profile: ReferenceProfile | undefined;
}

export interface VersionLookup {
  find(model: string, version: string): Promise<PublishedVersion | undefined>;
}

export interface OfferLookup {
  /** Whether the device was ever offered the version, or reports that it runs it. */
  isOfDevice(
    deviceId: string,
    version: Pick<TelemetryReport, 'model' | 'version' | 'manifest'>,
  ): Promise<boolean>;
}

/** Checks reports against published versions, whose layouts it remembers: a version never changes. */
export class ReportCheck {
  readonly #versions: VersionLookup;
  readonly #offers: OfferLookup;
  readonly #layouts = new Map<string, Layout>();

  constructor(versions: VersionLookup, offers: OfferLookup) {
    this.#versions = versions;
    this.#offers = offers;
  }

  /** Throws `telemetry_unknown_version`, `telemetry_layout`, `telemetry_implausible` or `telemetry_not_offered`. Anything
   * else that is thrown comes from a lookup and is no judgement of the report. */
  async check(deviceId: string, report: TelemetryReport): Promise<CheckedReport> {
    const layout = await this.#layout(report.model, report.version);
    if (layout?.manifestSha256 !== report.manifest) {
      throw new AppError(
        'telemetry_unknown_version',
        `Cannot accept telemetry of ${report.model} ${report.version} with manifest ${report.manifest}: no such version is published here.`,
      );
    }
    checkFeatures(report, layout);
    if (report.labels !== undefined && report.labels.kind !== layout.label) {
      throw layoutError(report, `labels of kind "${report.labels.kind}"`, `"${layout.label ?? 'none'}"`);
    }
    const confusion = report.labels?.kind === 'classification' ? report.labels.confusion : undefined;
    if (confusion !== undefined && confusion.length !== layout.confusion) {
      throw layoutError(report, `${confusion.length} confusion counts`, String(layout.confusion));
    }
    const latencies = report.latency?.counts.reduce((sum, n) => sum + n, 0) ?? 0;
    const requests = Object.values(report.requests.failed).reduce((sum, n) => sum + n, report.requests.ok);
    if (latencies > requests) {
      throw layoutError(report, `${latencies} latencies`, `at most ${requests}, one a request`);
    }
    const { refused } = report.requests;
    if (refused !== undefined && refused.fitBefore > refused.all) {
      throw layoutError(
        report,
        `${refused.fitBefore} refused requests that fit before`,
        `at most ${refused.all}, as many as were refused`,
      );
    }
    checkPlausible(report);
    if (!(await this.#offers.isOfDevice(deviceId, report))) {
      throw new AppError(
        'telemetry_not_offered',
        `Cannot accept telemetry of ${report.model} ${report.version} from "${deviceId}": the device was never offered that version.`,
      );
    }
    return {
      model: report.model,
      version: report.version,
      spanMs: spanMs(report),
      rollout: report.rollout,
      offer: report.offer,
      profile: layout.profile,
      stream: report.stream,
      number: report.number,
      reports: 1,
      requests: { ok: report.requests.ok, failed: knownCodes(report.requests.failed), refused },
      crashes: report.crashes,
      latency: report.latency,
      features: report.features,
      labels: report.labels,
      dropped: report.dropped,
    };
  }

  async #layout(model: string, version: string): Promise<Layout | undefined> {
    const key = `${model} ${version}`;
    const known = this.#layouts.get(key);
    if (known) return known;
    const published = await this.#versions.find(model, version);
    if (published === undefined) return undefined;
    const layout = layoutOf(published.manifestSha256, published.manifest);
    if (this.#layouts.size >= limits.telemetryVersionsKnownMax) {
      this.#layouts.delete(this.#layouts.keys().next().value!);
    }
    this.#layouts.set(key, layout);
    return layout;
  }
}

function layoutOf(manifestSha256: string, manifest: ModelManifest): Layout {
  const { label, interface: face } = manifest;
  const classes = label && countedClasses({ label, classes: face.classes });
  return {
    manifestSha256,
    counts: new Map(
      (manifest.profile?.features ?? []).map((feature) => [
        feature.name,
        { length: countsLength(feature), moments: feature.kind === 'numeric' },
      ]),
    ),
    label: label?.kind,
    confusion: (classes?.length ?? 0) ** 2,
    profile: manifest.profile,
  };
}

/** Features may be left out, but none may be unknown, twice, or of another length. */
function checkFeatures(report: TelemetryReport, layout: Layout): void {
  const seen = new Set<string>();
  for (const feature of report.features) {
    const wanted = layout.counts.get(feature.name);
    if (wanted === undefined)
      throw layoutError(report, `feature "${feature.name}"`, 'only features of the profile');
    if (seen.has(feature.name))
      throw layoutError(report, `feature "${feature.name}" twice`, 'each feature once');
    seen.add(feature.name);
    if (feature.counts.length !== wanted.length) {
      throw layoutError(
        report,
        `${feature.counts.length} counts of feature "${feature.name}"`,
        `${wanted.length}`,
      );
    }
    if (feature.moments !== undefined && !wanted.moments) {
      throw layoutError(report, `moments of categorical feature "${feature.name}"`, 'none');
    }
  }
}

function layoutError(report: TelemetryReport, found: string, wanted: string): AppError {
  return new AppError(
    'telemetry_layout',
    `Cannot accept telemetry of ${report.model} ${report.version}: found ${found}, expected ${wanted}.`,
  );
}

/** Codes that are not in the catalogue (a newer agent, or an invention) are counted together, so that buckets stay bounded. */
function knownCodes(failed: Readonly<Record<string, number>>): Record<string, number> {
  const known = new Map<string, number>();
  for (const [code, count] of Object.entries(failed)) {
    const name = Object.hasOwn(errorCatalogue, code) ? code : 'unknown';
    known.set(name, (known.get(name) ?? 0) + count);
  }
  return Object.fromEntries(known);
}
