import { defineErrors } from './error-entry.ts';

/** Errors any part can raise. */
export const baseErrors = defineErrors({
  bad_input: {
    status: 400,
    retry: 'never',
    meaning: 'A file, message, request or flag does not have the form that is wanted.',
    fix: 'Correct the value that the message names.',
  },
  too_large: {
    status: 413,
    retry: 'never',
    meaning: 'Something is over its named limit.',
    fix: 'Send less, or raise the limit where the message names an option for it.',
  },
  unsupported_version: {
    status: 400,
    retry: 'never',
    meaning: 'A message or file has a version this program does not know.',
    fix: 'Update the older of the two programs.',
  },
  not_found: {
    status: 404,
    retry: 'never',
    meaning: 'The thing asked for does not exist.',
    fix: 'Check the name; the list command of its kind shows what there is.',
  },
  file_unusable: {
    status: 500,
    retry: 'never',
    meaning:
      'What lies where a file is wanted cannot be read: a link, a pipe, a folder, or a file without the right to it.',
    fix: 'Correct the rights of what the message names, or move it out of the way.',
  },
  disk_full: {
    status: 503,
    retry: 'later',
    meaning: 'The disk has no space for what was to be written; nothing already stored was changed.',
    fix: 'Free space on the disk that the message names.',
  },
  disk_error: {
    status: 503,
    retry: 'later',
    meaning: 'The disk or the operating system refused to read or write a file.',
    fix: 'Look at the file and the reason that the message names: rights, a disk mounted read-only or failing, too many open files.',
  },
  internal: {
    status: 500,
    retry: 'later',
    meaning: 'A defect of modelfleet; the log holds the cause under the request id.',
    fix: 'Report it with the request id.',
  },
});
