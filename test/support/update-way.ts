import type { UpdateState } from '../../shared/protocol/update-event.ts';

/** The states of an update to which nothing happens, in their order. */
export const wholeWay: readonly UpdateState[] = [
  'checking',
  'downloading',
  'verifying',
  'staged',
  'qualifying',
  'activating',
  'trial',
  'committed',
];
