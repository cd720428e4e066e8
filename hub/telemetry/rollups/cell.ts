/** What a rollup adds up over: all that is counted of one version falls into exactly one cell of the devices that sent it. */

/** The part a device plays in a rollout of the model: it has the new version, it waits for it, or it has no part. */
export type Arm = 'canary' | 'control' | 'rest';

export interface Cell {
  /** The rollout of the arm; empty for `rest`. */
  readonly rolloutId: string;
  readonly arm: Arm;
  /** Value of the version's segment; empty where it declares none. */
  readonly segment: string;
  /** Group of the device when it reported. */
  readonly group: string;
}

/** Some of the cells; all of them when it names nothing. */
export type CellFilter = Partial<Cell>;

/** A cell as one text; no part has a space. */
export function cellText({ rolloutId, arm, segment, group }: Cell): string {
  return `${rolloutId} ${arm} ${segment} ${group}`;
}

/** The cell that columns of a table name. */
export function cellOf(row: {
  readonly rollout_id: string;
  readonly arm: string;
  readonly segment: string;
  readonly device_group: string;
}): Cell {
  return {
    rolloutId: row.rollout_id,
    arm: row.arm as Arm,
    segment: row.segment,
    group: row.device_group,
  };
}
