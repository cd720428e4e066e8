/** What objectives are of: a model on all devices, or on those of a group. */
export interface SloScope {
  readonly model: string;
  readonly group?: string | undefined;
}

/** As alerts name it. No name of a model or a group has a slash. */
export function subjectOf({ model, group }: SloScope): string {
  return group === undefined ? model : `${model}/${group}`;
}
