/** Answer of `GET /api/v1/drift`: each feature against the reference profile, over the fleet and by device. */
import { type Static, Type } from 'typebox';
import { LabelError } from './telemetry.ts';

/** `too-few`: not enough rows to say; it is never a pass. */
export const DriftVerdict = Type.Union([
  Type.Literal('stable'),
  Type.Literal('watch'),
  Type.Literal('drift'),
  Type.Literal('too-few'),
]);
export type DriftVerdict = Static<typeof DriftVerdict>;

export const FeatureDrift = Type.Object(
  {
    name: Type.String(),
    role: Type.Union([Type.Literal('input'), Type.Literal('output')]),
    kind: Type.Union([Type.Literal('numeric'), Type.Literal('categorical')]),
    /** Rows in the span, missing ones counted. */
    n: Type.Integer(),
    /** Those of them that count: no device has more weight than the median device. */
    counted: Type.Number(),
    /** Those of them by the design effect of the feature, as many as would say the same if rows did not depend on each other. */
    independent: Type.Number(),
    /** Devices with rows enough to be counted with. */
    devices: Type.Integer(),
    referenceN: Type.Integer(),
    psi: Type.Number(),
    /** PSI less what it is on average without drift at these sample sizes. */
    excess: Type.Number(),
    /** Chance of a PSI as large as this one without drift, or of a two-sample χ² as large, whichever is more. */
    p: Type.Number(),
    /** Whether `p` stands over all features together (Benjamini–Hochberg). */
    significant: Type.Boolean(),
    /** PSI that is significant at these sample sizes, among these features, where cells are well filled. */
    psiCritical: Type.Number(),
    /** PSI above this is at least `watch`, where cells are well filled. */
    threshold: Type.Number(),
    /** PSI over ten bins at the deciles of the reference with a floor of 1e-4, where the edges of the profile allow it. */
    psiDeciles: Type.Optional(Type.Number()),
    /** Jensen–Shannon distance to base 2, from 0 to 1. */
    jensenShannon: Type.Number(),
    /** Hellinger distance, from 0 to 1. */
    hellinger: Type.Number(),
    /** Wasserstein-1 distance over the standard deviation of the reference, from binned counts; numeric features that vary alone. */
    wasserstein: Type.Optional(Type.Number()),
    /** Two-sample χ² test. */
    chiSquare: Type.Optional(
      Type.Object({ statistic: Type.Number(), degrees: Type.Integer(), p: Type.Number() }),
    ),
    /** Kolmogorov–Smirnov on the binned counts, numeric features alone. */
    ks: Type.Optional(Type.Object({ d: Type.Number(), p: Type.Number(), significant: Type.Boolean() })),
    missingShare: Type.Number(),
    /** Share below the first or above the last edge, or in no known category. */
    outsideShare: Type.Number(),
    mean: Type.Optional(Type.Number()),
    referenceMean: Type.Optional(Type.Number()),
    verdict: DriftVerdict,
  },
  { $id: 'FeatureDrift' },
);
export type FeatureDrift = Static<typeof FeatureDrift>;

export const DeviceDrift = Type.Object(
  {
    device: Type.String(),
    verdict: DriftVerdict,
    /** The feature with the highest PSI over its threshold, when any has enough rows. */
    worst: Type.Optional(FeatureDrift),
  },
  { $id: 'DeviceDrift' },
);
export type DeviceDrift = Static<typeof DeviceDrift>;

export const DriftReport = Type.Object(
  {
    model: Type.String(),
    version: Type.String(),
    fromMs: Type.Integer(),
    toMs: Type.Integer(),
    /** Chance that a version without drift has any feature that is not `stable`, where the span is read once. */
    level: Type.Number(),
    /** The worst verdict of any feature over the fleet; `too-few` when no feature has enough rows. */
    verdict: DriftVerdict,
    /** Worst first. */
    features: Type.Array(FeatureDrift),
    labels: Type.Optional(LabelError),
    devicesSeen: Type.Integer(),
    /** Devices whose own verdict is `drift`. */
    devicesDrifted: Type.Integer(),
    /** Devices, worst first, at most `limits.driftDevicesNamedMax`. */
    devices: Type.Array(DeviceDrift),
  },
  { $id: 'DriftReport' },
);
export type DriftReport = Static<typeof DriftReport>;
