/** What a device runs, read from the files of an agent that does not run. Changes nothing. */

import { readFile } from 'node:fs/promises';
import { pino } from 'pino';
import { errorText } from '../../shared/base/app-error.ts';
import { ownValue } from '../../shared/base/own-value.ts';
import type { Condition, ReportedModel } from '../../shared/protocol/reported-state.ts';
import { dataFolder } from '../config/data-folder.ts';
import { loadIdentity } from '../connection/identity.ts';
import { readSlotIndex, type SlotIndex } from '../slots/slot-index.ts';
import { reportModel } from '../update/model-report.ts';
import { UpdateJournal } from '../update/update-journal.ts';

export type RestingStatus = Awaited<ReturnType<typeof readRestingStatus>>;

/** Throws `not_enrolled`, `identity_damaged`. */
export async function readRestingStatus(data: string) {
  const paths = dataFolder(data);
  const { device, group, hub } = await loadIdentity(data);
  const conditions: Condition[] = [];
  const isUnreadable = (what: string) =>
    conditions.push({ code: 'slots_rebuilt', severity: 'warning', text: what });
  let index: SlotIndex = { v: 1, models: {} };
  try {
    const read = readSlotIndex(await readFile(paths.slotIndex));
    index = read.index;
    if (read.damaged.length > 0)
      isUnreadable(`The slot index has no readable entry of ${read.damaged.join(', ')}.`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      isUnreadable(`The slot index cannot be read: ${errorText(error)}`);
  }
  const journal = new UpdateJournal({
    folder: paths.updates,
    logger: pino({ level: 'silent' }),
    isReadOnly: true,
  });
  const models: ReportedModel[] = [];
  for (const model of new Set([...Object.keys(index.models), ...(await journal.models())])) {
    models.push(
      reportModel(model, (await journal.read(model)) ?? undefined, ownValue(index.models, model), {
        nowMs: Date.now(),
      }),
    );
  }
  return { running: false as const, device, group, hub, reported: { models, conditions } };
}
