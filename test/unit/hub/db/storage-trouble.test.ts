import { describe, expect, it } from 'vitest';
import { storageError } from '../../../../hub/db/storage-error.ts';
import {
  isDatabaseLocked,
  isDatabaseTrouble,
  isStorageTrouble,
  storageCodeOf,
} from '../../../../hub/db/storage-trouble.ts';
import { AppError } from '../../../../shared/base/app-error.ts';

const sqlite = (code: string) => Object.assign(new Error('of SQLite'), { code });
const system = (code: string, syscall: string) =>
  Object.assign(new Error(`${code}: ${syscall} '/secret/hub.db'`), { code, syscall, errno: -1 });

describe('a failure of disk or database', () => {
  it.each([
    [sqlite('SQLITE_CORRUPT'), 'database_damaged'],
    [sqlite('SQLITE_CORRUPT_INDEX'), 'database_damaged'],
    [sqlite('SQLITE_NOTADB'), 'database_damaged'],
    [sqlite('SQLITE_FULL'), 'disk_full'],
    [sqlite('SQLITE_IOERR_SHMSIZE'), 'disk_full'],
    [system('ENOSPC', 'write'), 'disk_full'],
    [system('EDQUOT', 'write'), 'disk_full'],
    [sqlite('SQLITE_IOERR_READ'), 'disk_error'],
    [sqlite('SQLITE_READONLY'), 'disk_error'],
    [sqlite('SQLITE_CANTOPEN'), 'disk_error'],
    [system('EIO', 'read'), 'disk_error'],
    [system('EROFS', 'open'), 'disk_error'],
    [sqlite('SQLITE_BUSY_SNAPSHOT'), 'database_locked'],
    [sqlite('SQLITE_LOCKED'), 'database_locked'],
    [new AppError('disk_full', 'full'), 'disk_full'],
    [new AppError('database_damaged', 'damaged'), 'database_damaged'],
  ] as const)('%s is %s, for whoever answers and for whoever tries again', (error, code) => {
    expect(storageCodeOf(error)).toBe(code);
    expect(storageError(error, 'the folder')?.code).toBe(code);
    expect([isStorageTrouble(error), isDatabaseTrouble(error)]).toEqual([true, true]);
    expect(isDatabaseLocked(error)).toBe(code === 'database_locked');
  });

  it.each([
    sqlite('SQLITE_CONSTRAINT_UNIQUE'),
    sqlite('SQLITE_TOOBIG'),
    system('ECONNRESET', 'read'),
    system('EADDRINUSE', 'listen'),
    new AppError('bad_input', 'bad'),
    new TypeError('a bug'),
    'no error at all',
    undefined,
  ])('%s is none', (error) => {
    expect(storageCodeOf(error)).toBeUndefined();
    expect(storageError(error, 'the folder')).toBeUndefined();
    expect([isStorageTrouble(error), isDatabaseTrouble(error)]).toEqual([false, false]);
  });

  it('lets nobody wait for a file that is not there', () => {
    const error = system('ENOENT', 'open');
    expect(storageError(error, 'the folder')?.code).toBe('disk_error');
    expect(isStorageTrouble(error)).toBe(false);
  });

  it('ends a transaction also where nothing is said of disk or database', () => {
    for (const code of ['SQLITE_ERROR', 'SQLITE_INTERRUPT']) {
      expect([isStorageTrouble(sqlite(code)), isDatabaseTrouble(sqlite(code))]).toEqual([false, true]);
    }
    expect(isStorageTrouble(sqlite('SQLITE_NOMEM'))).toBe(true);
  });

  it('names no path to whoever asks', () => {
    expect(storageError(system('EIO', 'read'), 'the folder')?.message).toBe(
      'Cannot use "the folder": the system refused to write or read it (EIO).',
    );
    expect(storageError(system('ENOSPC', 'write'), 'the folder')).toMatchObject({
      message: 'Cannot write "the folder": the disk is full. Nothing already stored was changed.',
      retryAfterMs: 30_000,
    });
  });
});
