/**
 * Simulated versions without drift: each packs a reference sample of its own, and rows come from what the sample came from. The counts
 * grow as rows are drawn; a version of fewer features is the first ones of a larger one.
 */
import { worstVerdict } from '../../../hub/drift/drift-rule.ts';
import { type DesignEffect, type DesignEffects, independentRows } from '../../../hub/drift/feature-cells.ts';
import { type JudgeOptions, judgeFeatures } from '../../../hub/drift/verdict.ts';
import type { DriftVerdict } from '../../../shared/api/drift.ts';
import type { FeatureProfile } from '../../../shared/manifest/reference-profile.ts';
import {
  autoregressive,
  autoregressiveColumn,
  type Column,
  independentColumn,
  orderedProfile,
  packedColumn,
} from './columns.ts';
import type { Distribution } from './distributions.ts';
import { sfc32 } from './sfc32.ts';

/** Rows as they come: independent draws of a distribution, or a normal process whose neighbours correlate by `rho`. */
export type Rows = { readonly distribution: Distribution } | { readonly rho: number };

/** The design effect that verdicts are made with: none, the one that is known to be right, or what block sums give. */
export type KnownEffect = 'none' | 'true' | 'estimated';

export interface VersionProps {
  readonly rows: Rows;
  readonly seed: number;
  readonly run: number;
  readonly referenceRows: number;
  readonly features: number;
}

export class SimulatedVersion {
  readonly #props: VersionProps;
  readonly #features: readonly FeatureProfile[];
  readonly #columns: readonly Column[];

  constructor(props: VersionProps) {
    this.#props = props;
    const random = sfc32(props.seed, props.run);
    const { rows, referenceRows } = props;
    const pairs = Array.from({ length: props.features }, (_, i): [FeatureProfile, Column] => {
      const name = `f${i}`;
      if ('rho' in rows) {
        const profile = orderedProfile(
          name,
          Array.from({ length: referenceRows }, autoregressive(rows.rho, random)),
        );
        return [profile, autoregressiveColumn(profile, { rho: rows.rho, random })];
      }
      const { distribution } = rows;
      const values = Array.from({ length: referenceRows }, distribution.draws(random));
      const profile = packedColumn(name, distribution.kind, values);
      return [profile, independentColumn(profile, { distribution, random })];
    });
    this.#features = pairs.map(([profile]) => profile);
    this.#columns = pairs.map(([, column]) => column);
  }

  draw(rows: number): void {
    for (const column of this.#columns) column.draw(rows);
  }

  clear(): void {
    for (const column of this.#columns) column.clear();
  }

  /** Of the first features. */
  verdict(features: number, options: JudgeOptions, effect: KnownEffect = 'none'): DriftVerdict {
    const profile = { rows: this.#props.referenceRows, features: this.#features.slice(0, features) };
    const counts = this.#columns.slice(0, features).map((column) => column.counts);
    const judged = judgeFeatures(profile, counts, { ...options, designEffects: this.#effects(effect) });
    return worstVerdict(judged.map(({ verdict }) => verdict));
  }

  #effects(effect: KnownEffect): DesignEffects | undefined {
    const { rows } = this.#props;
    // What is not given is measured.
    if (!('rho' in rows) || effect === 'estimated') return undefined;
    const ofMean = (1 + rows.rho) / (1 - rows.rho);
    const known = effect === 'none' ? independentRows : { reference: ofMean, current: ofMean };
    return new Map<string, DesignEffect>(this.#features.map(({ name }) => [name, known]));
  }
}

export function isAlarm(verdict: DriftVerdict): boolean {
  return verdict === 'watch' || verdict === 'drift';
}
