/** The steps of an update that do work, by name, with what each needs. The planner makes them, the executors run them. */
import type { UpdateFault } from '../../shared/protocol/update-event.ts';
import type { MachineEvent } from './update-machine.ts';
import type { Attempt } from './update-record.ts';

export interface StepArguments {
  /** May this version run here: signed, not withdrawn, not quarantined, not below the floor. */
  check: { readonly attempt: Attempt };
  /** Brings the chunks that are not on the device. */
  download: { readonly attempt: Attempt };
  /** Puts the files together and checks each against its digest. */
  verify: { readonly attempt: Attempt };
  /** Runs the golden samples. */
  qualify: { readonly attempt: Attempt };
  /** Makes the version answer, with the old one on standby. */
  activate: { readonly attempt: Attempt };
  /** Makes the version last-known-good. */
  commit: { readonly attempt: Attempt };
  /** Makes the version before answer again. */
  rollBack: { readonly attempt: Attempt };
}
export type StepName = keyof StepArguments;
export type Step = { readonly [N in StepName]: { readonly name: N } & StepArguments[N] }[StepName];

/** What a step that passed adds to the attempt. */
export interface StepResult {
  readonly provider?: string;
  readonly facts?: Attempt['facts'];
}

/** What to do next with one model. */
export type Plan =
  | { readonly kind: 'act'; readonly step: Step }
  | { readonly kind: 'move'; readonly event: MachineEvent; readonly fault?: UpdateFault }
  /** Nothing until something changes, or until `wakeInMs` have passed. */
  | { readonly kind: 'rest'; readonly wakeInMs?: number };
