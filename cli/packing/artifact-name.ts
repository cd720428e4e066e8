/** Names of artifacts: what every file system, URL and topic takes, and no two that a person or a disk could confuse. */
import { basename, extname } from 'node:path';

/** What a manifest takes, with space for a number. */
const SAFE = /^(?!\.)[A-Za-z0-9._-]{1,120}$/;
const STEM_CHARS_MAX = 100;
const EXTENSION_CHARS_MAX = 16;
/** The other files of a packed folder. */
const RESERVED = ['manifest.json', 'golden.json'];

/** A name for each file, in the same order: its own where that is safe. */
export function artifactNames(files: readonly string[]): string[] {
  const taken = new Set(RESERVED);
  return files.map((file) => {
    const safe = safeName(basename(file));
    const [stem, extension] = [safe.slice(0, safe.length - extname(safe).length), extname(safe)];
    let name = safe;
    // Disks that do not tell capitals apart are common.
    for (let n = 2; taken.has(name.toLowerCase()); n += 1) name = `${stem}-${n}${extension}`;
    taken.add(name.toLowerCase());
    return name;
  });
}

function safeName(file: string): string {
  if (SAFE.test(file)) return file;
  const extension = extname(file);
  const stem = plain(file.slice(0, file.length - extension.length)).slice(0, STEM_CHARS_MAX);
  const end = plain(extension).slice(0, EXTENSION_CHARS_MAX);
  return `${stem || 'model'}${end && `.${end}`}`;
}

/** Letters without their accents, and a dash for all that is neither letter nor digit. */
function plain(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[.-]+|[.-]+$/g, '');
}
