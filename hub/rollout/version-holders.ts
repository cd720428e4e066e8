/** Who is to run a version: devices by their desired state, and rollouts that are not over. */
import type { Transaction } from 'kysely';
import type { Tables } from '../db/tables.ts';
import type { DesiredStore } from './desired-store.ts';
import type { RolloutStore } from './rollout-store.ts';

export class VersionHolders {
  readonly #desired: Pick<DesiredStore, 'wanting'>;
  readonly #rollouts: Pick<RolloutStore, 'naming'>;

  constructor(props: {
    readonly desired: Pick<DesiredStore, 'wanting'>;
    readonly rollouts: Pick<RolloutStore, 'naming'>;
  }) {
    this.#desired = props.desired;
    this.#rollouts = props.rollouts;
  }

  /** Such as `device/x` or `rollout/y`; undefined when no device or rollout uses it. */
  async holderOf(
    version: { readonly model: string; readonly version: string; readonly manifestSha256: string },
    tx?: Transaction<Tables>,
  ): Promise<string | undefined> {
    const device = await this.#desired.wanting(version.manifestSha256, tx);
    if (device !== undefined) return `device/${device}`;
    const rollout = await this.#rollouts.naming(version, tx);
    return rollout === undefined ? undefined : `rollout/${rollout}`;
  }
}
