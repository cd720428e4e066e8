import { defineErrors } from './error-entry.ts';

/** Errors any part can raise. */
export const baseErrors = defineErrors({
  bad_input: {
    status: 400,
    retry: 'never',
    meaning: 'A file, message, request or option does not have the expected form.',
    fix: 'Correct the value that the message names.',
  },
  too_large: {
    status: 413,
    retry: 'never',
    meaning: 'A value, file, message or count exceeds its limit.',
    fix: 'Send less, or raise the limit if the message names an option for it.',
  },
  unsupported_version: {
    status: 400,
    retry: 'never',
    meaning: 'A message or file has a format version that this program does not support.',
    fix: 'Update the program that is older: the one that reports this error, or the one that wrote the message or the file.',
  },
  not_found: {
    status: 404,
    retry: 'never',
    meaning: 'The requested item does not exist.',
    fix: 'Check the name. The list command for that kind of item shows which ones exist.',
  },
  file_unusable: {
    seenIn: ['command', 'start', 'device'],
    retry: 'never',
    meaning:
      'A file cannot be read or written: the path is a link, a pipe or a folder, or this user lacks permission.',
    fix: 'Look at the path in the message with "ls -l". Correct owner and permissions with chown and chmod. If a link, a pipe or a folder is there, rename it with mv and put the file itself in its place.',
  },
  disk_full: {
    status: 503,
    retry: 'later',
    causeStays: true,
    meaning: 'The disk has no space left for this write. Nothing already stored was changed.',
    fix: 'Free space on the disk that holds the path in the message.',
  },
  disk_error: {
    status: 503,
    retry: 'later',
    causeStays: true,
    meaning: 'The disk or the operating system refused to read or write a file.',
    fix: 'Check the file and the reason in the message. Common causes are permissions, a disk that is failing or mounted read-only, and too many open files.',
  },
  internal: {
    status: 500,
    retry: 'later',
    meaning: 'modelfleet has a defect. The log has the cause; for a request it stands under the request id.',
    fix: 'Report the defect with the request id, if there is one, and the log lines of that time.',
  },
});
