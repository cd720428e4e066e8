/** What the hub answers of rollouts, checked. */
import { Rollout, RolloutDevicePage, RolloutPage } from '../../shared/api/rollouts.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { answerParser } from '../answer-parser.ts';

export const parseRollouts = answerParser(RolloutPage);
export const parseRolloutDevices = answerParser(RolloutDevicePage);
export const parseStatus = answerParser(Rollout);

/** Throws `bad_usage` for what is no id of a rollout. */
export function rolloutPath(id: string): string {
  if (/^r-[0-9a-f]{8,32}$/.test(id)) return `/rollouts/${id}`;
  throw new AppError(
    'bad_usage',
    `Cannot find rollout "${id}": expected an id such as r-0011223344aa, as "modelfleet rollout list" shows it.`,
  );
}
