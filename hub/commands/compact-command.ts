/** `modelfleet-hub compact`: rewrites the database of a stopped hub without its unused pages. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { lockFolder } from '../../platform/folder-lock.ts';
import { unreadableReason } from '../../platform/regular-file.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { formatBytes } from '../../shared/base/bytes.ts';
import { requireRestored } from '../backup/restore-record.ts';
import { databaseFile } from '../data-folder/inventory.ts';
import { compactFile } from '../db/database-file.ts';
import { dataOption } from './data-option.ts';
import { printResult } from './print-result.ts';

export function compactCommand(): Command {
  return new Command('compact')
    .description(
      'rewrite the database of a stopped hub without unused space; needs twice its size of free disk',
    )
    .action(async (_flags: unknown, command: Command) => {
      const data = await dataOption(command);
      const file = join(data, databaseFile);
      const bytesBefore = await sizeOf(file);
      const lock = lockFolder(data);
      try {
        await requireRestored(data);
        compactFile(file);
      } finally {
        lock.release();
      }
      const bytes = await sizeOf(file);
      const lines = [
        `"${file}" took ${formatBytes(bytesBefore)} and takes ${formatBytes(bytes)}. It shrinks by itself from now on.`,
      ];
      printResult(command, { value: { file, bytesBefore, bytes }, lines });
    });
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (cause) {
    const isAbsent = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    throw new AppError(
      isAbsent ? 'bad_input' : 'file_unusable',
      `Cannot compact "${file}": ${unreadableReason(cause)}.`,
      { cause },
    );
  }
}
