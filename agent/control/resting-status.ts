/** What a device runs, read from the files of an agent that does not run. Changes nothing. */

import { pino } from 'pino';
import { readRegularFile } from '../../platform/regular-file.ts';
import { errorText } from '../../shared/base/app-error.ts';
import { ownValue } from '../../shared/base/own-value.ts';
import type { Condition, ReportedModel } from '../../shared/protocol/reported-state.ts';
import { dataFolder } from '../config/data-folder.ts';
import { loadIdentity } from '../connection/identity.ts';
import { findForeignEntries, foreignEntriesText } from '../health/foreign-entries.ts';
import {
  modelsKept,
  noSlots,
  readSlotIndex,
  type SlotIndex,
  slotIndexBytesMax,
} from '../slots/slot-index.ts';
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
    const read = readSlotIndex(await readRegularFile(paths.slotIndex, slotIndexBytesMax));
    index = read.index;
    if (read.damaged.length > 0)
      isUnreadable(`The slot index has no readable entry of ${read.damaged.join(', ')}.`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      isUnreadable(`The slot index cannot be read: ${errorText(error)}`);
  }
  const foreign = foreignEntriesText(await findForeignEntries(data));
  if (foreign) conditions.push({ code: 'foreign_entries', severity: 'warning', text: foreign });
  const journal = new UpdateJournal({
    folder: paths.updates,
    logger: pino({ level: 'silent' }),
    isReadOnly: true,
  });
  const models: ReportedModel[] = [];
  for (const model of new Set([...modelsKept(index), ...(await journal.models())])) {
    const record = await journal.read(model);
    const slots = ownValue(index.models, model) ?? noSlots;
    const state = record?.attempt?.state;
    // What will answer when the agent is started.
    const next = ((state === 'trial' || state === 'committed') && slots.trial) || slots.active;
    models.push(reportModel(model, record, slots, { nowMs: Date.now(), serving: next?.manifest }));
  }
  return { running: false as const, device, group, hub, reported: { models, conditions } };
}
