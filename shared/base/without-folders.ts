/**
 * Texts that leave a device say what failed, not where on its disk: folder names tell a stranger of users, customers and
 * layout. Of a path, the last name is kept, which is what a person can use.
 */

/** Absolute paths of two names or more; in quotes they may hold spaces. Not the path of a URL, nor `n/a` or `MB/s`. */
const QUOTED = /(["'`])(?:\/|[A-Za-z]:[\\/]|\\\\)(?:(?!\1)[^\n])*?[\\/]((?:(?!\1)[^\\/\n])+)[\\/]?\1/g;
/** One in quotes whose end was cut off. */
const CUT = /(["'`])(?:\/|[A-Za-z]:[\\/]|\\\\)(?:(?!\1)[^\n])*…$/;
const BARE = /(?<![\w.:/\\])(?:\/|[A-Za-z]:[\\/]|\\\\)(?:[^\s\\/"'`:,;()<>]+[\\/])+([^\s\\/"'`:,;()<>]*)/g;

/** The text, with every absolute path reduced to its last name. */
export function withoutFolders(text: string): string {
  return text.replace(QUOTED, '$1$2$1').replace(CUT, '$1…').replace(BARE, '$1');
}

/** For `JSON.stringify`: the same in every text of a message. */
export function hideFolders(_key: string, value: unknown): unknown {
  return typeof value === 'string' ? withoutFolders(value) : value;
}
