/** `backup.json`: what a backup is of. */
import { type Static, Type } from 'typebox';
import { Digest, Timestamp } from '../../shared/base/names.ts';
import { jsonParser } from '../../shared/base/parse.ts';

export const noteName = 'backup.json';
export const noteBytesMax = 64 * 1024;

export const BackupMetadata = Type.Object({
  v: Type.Literal(1),
  at: Timestamp,
  /** Of the program that made it. */
  program: Type.String({ maxLength: 64 }),
  /** SHA-256 of the hub's CA certificate: which hub it is. */
  ca: Digest,
});
export type BackupMetadata = Static<typeof BackupMetadata>;
export const parseBackupMetadata = jsonParser(BackupMetadata, 'note of the backup', noteBytesMax);
