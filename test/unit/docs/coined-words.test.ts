/**
 * Keeps words that this project once coined from coming back, in names of files, identifiers, comments, help, error texts and
 * documents: the field has words of its own for them (docs/TERMINOLOGY.md). Where a word is also plain English, its pattern
 * finds the coined use alone: "a look", not "look at".
 */
import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../../..');

interface Rule {
  readonly pattern: RegExp;
  readonly instead: string;
  /** A text that the rule finds, and one that it lets pass. */
  readonly bad: string;
  readonly good: string;
}

const rules: readonly Rule[] = [
  {
    pattern: /\b[Pp]ark(?:s|ed)?\b|[a-z]Parked\b|Parked[A-Z]|_parked\b/,
    instead: 'quarantine, quarantined',
    bad: 'version_parked',
    good: 'quarantined; parking',
  },
  { pattern: /[Ww]ish/, instead: 'desired version', bad: 'OutputWish', good: 'desired' },
  { pattern: /[Kk]eeper/, instead: 'supervisor', bad: 'RunnerKeeper', good: 'keeps' },
  { pattern: /[Tt]rial[- ]?[Jj]udge\b/, instead: 'trial policy', bad: 'trial-judge.ts', good: 'judgeTrial' },
  { pattern: /\b[Ss]etback/, instead: 'backoff', bad: 'new Setback()', good: 'set-back' },
  { pattern: /\b[Pp]atience/, instead: 'timeout', bad: 'patienceMs', good: 'timeouts' },
  {
    pattern: /\b[Ss]ights?\b|[a-z]Sight\b|\bsight[A-Z]/,
    instead: 'observation',
    bad: 'RolloutSight',
    good: 'insight',
  },
  {
    pattern: /\b(?:[Aa]|each|every|another) looks?\b|\btwo looks\b|\b[Nn]ext look\b/,
    instead: 'observation, check, evaluation',
    bad: 'at each look',
    good: 'look at the log',
  },
  {
    pattern: /\b(?:[Aa]n|this|each|[Ee]very) acts?\b(?! (?:as|on|upon)\b)|[a-z]Acts\b/,
    instead: 'action',
    bad: 'every act is recorded',
    good: 'persist, then act',
  },
  { pattern: /[Bb]lame/, instead: 'error class', bad: 'blameOf(code)', good: 'errorClassOf' },
  { pattern: /[Ww]aiting[- ]?[Ll]ine\b/, instead: 'queue', bad: 'WaitingLine', good: 'waiting' },
  {
    pattern: /\b[Ww]ays? back\b|[Ww]ayBack/,
    instead: 'rollback, rollback target',
    bad: 'planWayBack',
    good: 'goes back',
  },
  {
    pattern: /\b(?:[Tt]akes?|took|[Tt]aken|taking) (?:[a-z]+ ){0,3}back\b|[Tt]akes?Back/,
    instead: 'revert, roll back, withdraw, undo',
    bad: 'takes the version back',
    good: 'it takes the version; back again',
  },
  {
    pattern: /\b(?:[Uu]nheard|[Hh]ears?|[Hh]eard)\b|#hear/,
    instead: 'receive, handle, report',
    bad: 'hears of it',
    good: 'the hearth',
  },
  {
    pattern: /\b[Rr]ooms?\b|[a-z]Room\b|Room[A-Z]/,
    instead: 'free space; packages, for folders',
    bad: '#makeRoom()',
    good: 'free space',
  },
  {
    pattern: /\bown word\b|\b(?:its|their|device's) words?\b|\b[Ww]ords? of (?:a |the )?devices?\b|lastWord/,
    instead: 'report',
    bad: 'by its own word',
    good: 'a word in the table',
  },
  { pattern: /[Ss]urroundings/, instead: 'environment', bad: 'isSurroundings', good: 'environment' },
  { pattern: /[Hh]indered/, instead: 'blocked', bad: 'hindered', good: 'blocked' },
  {
    pattern: /--phases[ ',`]+\d+d\b/,
    instead: '--phases 1dev',
    bad: '--phases 1d,50',
    good: "'--phases', '1dev,50%'",
  },
];

/** Files that must name an old word, with the reason. */
const allowed: ReadonlyMap<string, string> = new Map([
  ['test/unit/docs/coined-words.test.ts', 'the list itself'],
  ['agent/update/update-record.ts', 'reads journals of version 1'],
  ['test/unit/agent/update/update-record.test.ts', 'journals of version 1'],
  ['shared/protocol/reported-state.ts', 'reads reports of version 1'],
  ['shared/protocol/version.ts', 'the history of the protocol'],
  ['test/unit/shared/protocol/reported-state.test.ts', 'reports of version 1'],
  ['test/unit/hub/devices/stored-report.test.ts', 'reports of version 1'],
  ['test/integration/hub/database.test.ts', 'rows of older hubs'],
]);
/** Migrations are history: they name what older hubs stored. The lock file has names of others. */
const ignored = /^hub\/db\/migrat|^package-lock\.json$|\.(?:png|onnx|bin|csv)$/;

function textFiles(): readonly string[] {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    maxBuffer: 16 * 1024 * 1024,
  });
  return listed
    .toString()
    .split('\0')
    .filter((file) => file !== '' && !ignored.test(file) && !allowed.has(file));
}

/** `file:line` of each use, with what to write. */
async function usesIn(file: string): Promise<readonly string[]> {
  const text = await readFile(join(root, file), 'utf8').catch((error: NodeJS.ErrnoException) => {
    // Listed, and deleted in the working tree or a link to a folder.
    if (error.code === 'ENOENT' || error.code === 'EISDIR') return '';
    throw error;
  });
  const lines = [file, ...text.split('\n')];
  return lines.flatMap((line, at) =>
    rules
      .filter(({ pattern }) => pattern.test(line))
      .map(({ pattern, instead }) => `${file}:${at}: "${pattern.exec(line)![0]}": write ${instead}`),
  );
}

describe('coined words', () => {
  it.each(rules)('finds "$bad" and lets "$good" pass', ({ pattern, bad, good }) => {
    expect(pattern.test(bad)).toBe(true);
    expect(pattern.test(good)).toBe(false);
  });

  it('are in no file', async () => {
    const files = textFiles();
    expect(files.length).toBeGreaterThan(500);
    expect((await Promise.all(files.map(usesIn))).flat()).toEqual([]);
  });
});
