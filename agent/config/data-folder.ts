/** Where things lie in an agent's data folder. */
import { join } from 'node:path';

export interface DataFolder {
  readonly root: string;
  readonly trust: string;
  readonly chunks: string;
  readonly slots: string;
  readonly slotIndex: string;
  readonly updates: string;
  readonly desired: string;
  readonly clock: string;
  readonly outbox: string;
  /** What was predicted, until the label comes. */
  readonly predictions: string;
  readonly state: string;
  /** Address and secret of the running agent's control port. */
  readonly control: string;
  /** While this file exists, nothing is switched. */
  readonly hold: string;
  /** The key of an enrolment that was begun and has no answer yet. */
  readonly enrolling: string;
  /** File that is deleted when a rollback finds the disk full. */
  readonly reserve: string;
}

export function dataFolder(root: string): DataFolder {
  const state = join(root, 'state');
  return {
    root,
    trust: join(root, 'trust'),
    chunks: join(root, 'chunks'),
    slots: join(root, 'slots'),
    slotIndex: join(state, 'slots.json'),
    updates: join(state, 'updates'),
    desired: join(state, 'desired.json'),
    clock: join(state, 'clock.json'),
    outbox: join(root, 'outbox'),
    predictions: join(root, 'predictions'),
    state,
    control: join(state, 'control.json'),
    hold: join(root, 'hold'),
    enrolling: join(root, 'enrolling.json'),
    reserve: join(state, 'reserve'),
  };
}
