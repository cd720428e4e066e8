/**
 * Text of others (devices, hubs, models, people) as a terminal may show it. A host name may hold what moves the cursor, a
 * reason what begins a line that looks like ours, a group name what turns the direction of writing round. Such characters are
 * written as escapes; nothing is left out, and what is too long ends in `…`.
 */

/** Controls, invisible and direction-changing characters, breaks of lines, halves of pairs. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;
const LINE_CHARS_MAX = 4_000;

/** Whether a terminal may show a text as it is; a break of lines alone does no harm. */
export function isSafeText(text: string): boolean {
  return text.replaceAll('\n', '').search(UNSAFE) === -1;
}

/** One line: a break of lines inside is somebody else's, and is written as `\n`. */
export function safeLine(text: string, charsMax = LINE_CHARS_MAX): string {
  return shorten(text, charsMax).replace(UNSAFE, escapeOf);
}

/** The beginning of a text, with `…` for what is left out: at most `charsMax` characters in all. */
export function shorten(text: string, charsMax: number): string {
  if (text.length <= charsMax) return text;
  // Not through the middle of a surrogate pair.
  return `${text.slice(0, charsMax - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}

/** Lines of a program's output, each made safe, with their ends. */
export function safeLines(lines: readonly string[]): string {
  return lines.map((line) => `${safeLine(line)}\n`).join('');
}

/** JSON that says the same and has nothing in it that a terminal would act on. `json` may be indented. */
export function safeJson(json: string): string {
  return json.replace(UNSAFE, (char) =>
    char === '\n' ? char : [...Array(char.length).keys()].map((at) => unitEscape(char, at)).join(''),
  );
}

function escapeOf(char: string): string {
  if (char === '\n') return '\\n';
  if (char === '\r') return '\\r';
  if (char === '\t') return '\\t';
  const code = char.codePointAt(0)!.toString(16);
  return code.length <= 2 ? `\\x${code.padStart(2, '0')}` : `\\u{${code}}`;
}

function unitEscape(char: string, at: number): string {
  return `\\u${char.charCodeAt(at).toString(16).padStart(4, '0')}`;
}
