/**
 * Gates: from what was observed to a verdict, with every reason. Pure and replayable (promise P6): the inputs are stored
 * with each verdict, and `judge` of them gives the same verdict again. No data is never a pass (promise P5), and of several
 * devices one alone decides nothing: whatever is required must be known of two devices, or of the only one.
 * Shares of devices and of requests are compared as they are; tests that know sample size and control cohort take the
 * same inputs and give the same verdicts.
 */

import type { GateRules } from '../../shared/api/rollout-plan.ts';
import { type DeviceStatus, type Verdict, verdicts } from '../../shared/api/rollouts.ts';
import { formatDuration } from '../../shared/base/duration.ts';
import { limits } from '../../shared/base/limits.ts';
import type { RequestFigures } from './request-figures.ts';

/**
 * Raised when `judge` would give another verdict for inputs that were stored, or reads inputs that it did not: stored with each verdict, so
 * that a replay knows whether the rules are the same. 1: requests and drift were sums over all devices.
 */
export const gatesVersion = 2;

export interface GateInputs {
  /** 0-based phase that is judged. */
  readonly phase: number;
  readonly now: number;
  readonly phaseStartedAt: number;
  /**
   * From when its time counts: later than its start when the hub has not watched since then, or when a device of it was
   * queued for its download. Absent in older verdicts.
   */
  readonly timeCountsFrom?: number;
  readonly soakMs: number;
  readonly phaseTimeoutMs: number;
  readonly rules: GateRules;
  /** Devices of this phase and those before it that are still devices of the hub. */
  readonly devices: number;
  /** The same devices by status; absent is 0. */
  readonly counts: Readonly<Partial<Record<DeviceStatus, number>>>;
  /** When the last of them came to an end; null while some are in flight. */
  readonly settledAt: number | null;
  /** Devices that have finished the trial time and wait for enough requests; absent is 0. */
  readonly awaitingRequests?: number;
  /** Requests to the version on these devices since it was offered to them; null when no gate needs them. */
  readonly requests: RequestFigures | null;
  readonly drift: {
    /** Devices with enough values of every feature to be counted. */
    readonly withEvidence: number;
    /** Features that drift, with their PSI. */
    readonly drifting: readonly { readonly name: string; readonly psi: number | null }[];
    /** Features with too few values for a verdict. */
    readonly tooFew: readonly string[];
    readonly features: number;
  } | null;
  /** Why the publisher withdrew the version; null when it stands. */
  readonly withdrawnReason: string | null;
}

export interface Reason {
  /** Stable code that a program may switch on. */
  readonly code: string;
  readonly verdict: Verdict;
  readonly text: string;
}

export interface Judgement {
  readonly verdict: Verdict;
  /** Gravest first; the first one decides. */
  readonly reasons: readonly Reason[];
}

/** Judges the current phase of a running rollout. */
export function judge(inputs: GateInputs): Judgement {
  const reasons = [
    ...judgeWithdrawal(inputs),
    ...judgeFailures(inputs),
    ...judgeErrorRate(inputs),
    ...judgeDrift(inputs),
    ...judgeSilence(inputs),
    ...judgeUnproven(inputs),
    ...judgeSoak(inputs),
  ];
  const judged = gravest(reasons);
  if (judged !== 'inconclusive' || inputs.now < phaseEndsAt(inputs)) {
    return { verdict: judged, reasons: sortReasons(reasons) };
  }
  const text = `phase ${inputs.phase + 1} did not pass its gates within ${formatDuration(inputs.phaseTimeoutMs)}; "modelfleet rollout resume" allows the same time again`;
  return {
    verdict: 'hold',
    reasons: sortReasons([{ code: 'time_limit', verdict: 'hold', text }, ...reasons]),
  };
}

/** When a phase that has not ended well by then is held. */
export function phaseEndsAt({
  phaseStartedAt,
  timeCountsFrom = phaseStartedAt,
  phaseTimeoutMs,
}: Pick<GateInputs, 'phaseStartedAt' | 'timeCountsFrom' | 'phaseTimeoutMs'>): number {
  return timeCountsFrom + phaseTimeoutMs;
}

function judgeWithdrawal({ withdrawnReason }: GateInputs): Reason[] {
  if (withdrawnReason === null) return [];
  return [
    {
      code: 'version_withdrawn',
      verdict: 'roll-back',
      text: `the publisher withdrew the version: ${withdrawnReason}`,
    },
  ];
}

/**
 * Failures are judged as a share of the completed devices once all have ended, or once `minCompleted` have; and before
 * that as soon as even the success of every device still on its way could not bring the share below the limit.
 */
function judgeFailures({ counts, devices, settledAt, rules, awaitingRequests = 0 }: GateInputs): Reason[] {
  const failed = countFailures(counts);
  const completed = failed + (counts.succeeded ?? 0);
  const wanted = Math.min(Math.max(rules.minCompleted ?? 1, limits.evidenceDevicesMin), devices);
  const isJudged = settledAt !== null || (rules.minCompleted !== undefined && completed >= wanted);
  const base = isJudged && completed >= wanted ? completed : devices;
  if (failed > 0 && failed > rules.maxFailures * base) {
    const of = base === completed ? `${completed} completed devices` : `the ${devices} devices of this phase`;
    const text = `${failed} of ${of} failed (${percent(failed / base)}, at most ${percent(rules.maxFailures)})`;
    return [{ code: 'too_many_failures', verdict: 'roll-back', text }];
  }
  if (settledAt === null) {
    const underWay = devices - completed - outOfReach(counts) - (counts.unproven ?? 0);
    const text = `${underWay} of ${devices} devices not finished yet`;
    const reasons: Reason[] = [{ code: 'devices_under_way', verdict: 'inconclusive', text }];
    if (awaitingRequests === 0) return reasons;
    const wanting = `${awaitingRequests} of them have finished the trial time and wait for enough requests; ${wayOut}`;
    return [...reasons, { code: 'trials_awaiting_requests', verdict: 'inconclusive', text: wanting }];
  }
  if (completed < wanted || (counts.succeeded ?? 0) === 0) {
    const text = `${completed} of ${devices} devices completed and ${counts.succeeded ?? 0} of them succeeded; ${wanted} completed devices and one success are required`;
    const gone = '; remove devices that are gone for good, or roll out to a group without them';
    return [{ code: 'too_few_completed', verdict: 'inconclusive', text: `${text}${gone}` }];
  }
  const text = `${failed} of ${completed} completed devices failed (at most ${percent(rules.maxFailures)})`;
  return [{ code: 'failures_within_limit', verdict: 'proceed', text }];
}

function judgeErrorRate(inputs: GateInputs): Reason[] {
  const { rules, requests, devices } = inputs;
  if (rules.maxErrorRate === undefined) return [];
  const { counted = 0, errorRate = null, ok = 0, failed = 0, refused = 0, withEvidence = 0 } = requests ?? {};
  const total = ok + failed + refused;
  // Written so that NaN passes no gate.
  if (errorRate === null || !(counted >= rules.minRequests) || Number.isNaN(errorRate)) {
    const capped =
      total > counted ? `, ${Math.floor(counted)} of them count (no device for more than others)` : '';
    const text = `${total} requests were counted${capped}; ${rules.minRequests} are required to judge the error rate${evidenceHelp(inputs)}`;
    return [{ code: 'too_few_requests', verdict: 'inconclusive', text }];
  }
  if (!(withEvidence >= devicesRequired(devices)))
    return [tooFewDevices(withEvidence, inputs, 'the error rate')];
  const refusals =
    refused === 0 ? '' : `, ${refused} of them refused because of tensors that the version before accepts`;
  const text = `${failed + refused} of ${total} requests failed${refusals} (${percent(errorRate)} as the mean over devices, at most ${percent(rules.maxErrorRate)})`;
  return errorRate > rules.maxErrorRate
    ? [{ code: 'error_rate_high', verdict: 'roll-back', text }]
    : [{ code: 'error_rate_within_limit', verdict: 'proceed', text }];
}

function judgeDrift(inputs: GateInputs): Reason[] {
  const { rules, drift, devices } = inputs;
  if (rules.drift === 'ignore') return [];
  if (drift === null || !(drift.features > 0)) {
    const text = `no drift figures were reported${evidenceHelp(inputs)}; only a version that was packed with a sample of its training data ("sample" in model.yaml) has them`;
    return [{ code: 'no_drift_figures', verdict: 'inconclusive', text }];
  }
  if (!(drift.withEvidence >= devicesRequired(devices))) {
    return [tooFewDevices(drift.withEvidence, inputs, 'drift')];
  }
  if (drift.drifting.length > rules.maxDriftShare * drift.features) {
    const names = drift.drifting
      .map(({ name, psi }) => (psi === null ? name : `${name} (PSI ${psi.toFixed(2)})`))
      .join(', ');
    const text = `${drift.drifting.length} of ${drift.features} features drift (at most ${percent(rules.maxDriftShare)}): ${names}`;
    return [{ code: 'drift_found', verdict: rules.drift, text }];
  }
  if (drift.tooFew.length > 0) {
    const text = `too few values to judge drift of ${drift.tooFew.join(', ')}${evidenceHelp(inputs)}`;
    return [{ code: 'too_few_for_drift', verdict: 'inconclusive', text }];
  }
  const text = `${drift.drifting.length} of ${drift.features} features drift`;
  return [{ code: 'drift_within_limit', verdict: 'proceed', text }];
}

/** A gate needs figures of at least so many devices. */
function devicesRequired(devices: number): number {
  return Math.max(1, Math.min(limits.evidenceDevicesMin, devices));
}

function tooFewDevices(found: number, inputs: GateInputs, what: string): Reason {
  const { devices } = inputs;
  const text = `${found} of ${devices} devices have enough data to judge ${what}; ${devicesRequired(devices)} are required${evidenceHelp(inputs)}`;
  return { code: 'too_few_devices', verdict: 'inconclusive', text };
}

/** What to do when no device is in flight any more and the evidence is still insufficient. */
function evidenceHelp({ settledAt }: GateInputs): string {
  return settledAt === null
    ? ''
    : '; send them requests, update agents that are older than the hub (they may not say which rollout they count for), or plan without this gate';
}

/** Devices that could not try the version: silent, or blocked by what is not the version's. */
function outOfReach(counts: GateInputs['counts']): number {
  return (counts.silent ?? 0) + (counts.blocked ?? 0);
}

const silenceHelp = 'bring them back, remove devices that are gone for good, or allow more with --max-silent';

function judgeSilence({ counts, devices, rules }: GateInputs): Reason[] {
  const absent = outOfReach(counts);
  if (absent === 0) return [];
  const blocked = counts.blocked ?? 0;
  const what =
    blocked === 0 ? 'silent' : `silent or blocked (${blocked} wait for disk space, files or the hub)`;
  const text = `${absent} of ${devices} devices are ${what} (at most ${percent(rules.maxSilent)})`;
  return absent > rules.maxSilent * devices
    ? [{ code: 'too_many_silent', verdict: 'inconclusive', text: `${text}; ${silenceHelp}` }]
    : [{ code: 'silence_within_limit', verdict: 'proceed', text }];
}

/** What to do about devices that get no requests. */
const wayOut = 'send them requests, or plan with --trial-min-requests 0 to let time alone decide';

function judgeUnproven({ counts, devices, rules }: GateInputs): Reason[] {
  const unproven = counts.unproven ?? 0;
  if (unproven === 0) return [];
  const most = rules.maxUnproven ?? 0;
  const text = `${unproven} of ${devices} devices run the version unproven because they had too few requests (at most ${percent(most)})`;
  return unproven > most * devices
    ? [
        {
          code: 'too_many_unproven',
          verdict: 'inconclusive',
          text: `${text}; ${wayOut}, or allow more with --max-unproven`,
        },
      ]
    : [{ code: 'unproven_within_limit', verdict: 'proceed', text }];
}

function judgeSoak({ settledAt, soakMs, now }: GateInputs): Reason[] {
  if (settledAt === null) return [];
  const leftMs = settledAt + soakMs - now;
  return leftMs > 0
    ? [
        {
          code: 'soaking',
          verdict: 'inconclusive',
          text: `it is watched for ${formatDuration(soakMs)} after its last device was done`,
        },
      ]
    : [{ code: 'soaked', verdict: 'proceed', text: `watched for ${formatDuration(soakMs)}` }];
}

/** Devices that failed in any way; silent, blocked, unproven and withdrawn ones are not among them. */
function countFailures(counts: GateInputs['counts']): number {
  return (
    (counts.failed ?? 0) + (counts.rejected ?? 0) + (counts['rolled-back'] ?? 0) + (counts['timed-out'] ?? 0)
  );
}

/** Every gate that is evaluated gives a reason, so there is always at least one. */
function gravest(reasons: readonly Reason[]): Verdict {
  return reasons.reduce<Verdict>((worst, reason) => worse(worst, reason.verdict), 'proceed');
}

function worse(a: Verdict, b: Verdict): Verdict {
  return verdicts.indexOf(a) >= verdicts.indexOf(b) ? a : b;
}

function sortReasons(reasons: readonly Reason[]): readonly Reason[] {
  return [...reasons].sort((a, b) => verdicts.indexOf(b.verdict) - verdicts.indexOf(a.verdict));
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(2))} %`;
}
