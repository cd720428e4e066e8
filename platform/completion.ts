/**
 * What a shell offers at a place of a command line, read from the commander tree, so that it is never behind it. The scripts of
 * `completion` ask for it through the hidden command `__complete`.
 */
import type { Argument, Command, Option } from 'commander';

export interface Candidate {
  readonly value: string;
  readonly description: string;
}

/** `files` and `folders`: the shell offers names on the disk as well. */
export type NamesOnDisk = 'files' | 'folders' | 'none';

export interface Completion {
  readonly candidates: readonly Candidate[];
  readonly disk: NamesOnDisk;
}

/** A value that the tree does not know: of an option (`--model`) or an argument (`devices show <id>`). */
export interface OpenValue {
  readonly name: string;
  /** Values of the line so far: options by long name, arguments by name. */
  readonly given: Readonly<Record<string, string>>;
}

/** Values for an open value; none when there are none to offer. */
export type ValueSource = (value: OpenValue) => Promise<readonly string[]>;

export interface CompletionRequest {
  /** The words after the program's name; the last one is the one being typed, and may be empty. */
  readonly words: readonly string[];
  readonly values?: ValueSource;
}

export async function complete(
  program: Command,
  { words, values = async () => [] }: CompletionRequest,
): Promise<Completion> {
  const typed = words.at(-1) ?? '';
  const place = walk(program, words.slice(0, -1));
  const found = await candidatesAt(place, typed, values);
  return { ...found, candidates: found.candidates.filter(({ value }) => value.startsWith(typed)) };
}

interface Place {
  readonly path: readonly string[];
  readonly command: Command;
  readonly argumentsSeen: number;
  /** An option that still wants its value. */
  readonly open: Option | undefined;
  readonly given: Readonly<Record<string, string>>;
  readonly isOptionsOver: boolean;
}

function walk(program: Command, words: readonly string[]): Place {
  let command = program;
  const path: string[] = [];
  const given: Record<string, string> = {};
  let argumentsSeen = 0;
  let open: Option | undefined;
  let isOptionsOver = false;
  for (const word of words) {
    if (open) {
      given[open.long ?? ''] = word;
      open = undefined;
    } else if (word === '--' && !isOptionsOver) isOptionsOver = true;
    else if (word.startsWith('-') && !isOptionsOver) {
      const [flag = '', value] = word.split(/=(.*)/s);
      const option = optionsAt(command).find(({ short, long }) => flag === short || flag === long);
      if (option?.required && value === undefined) open = option;
      else if (option?.long) given[option.long] = value ?? '';
    } else {
      const child = command.commands.find((one) => one.name() === word || one.aliases().includes(word));
      if (child && argumentsSeen === 0) {
        command = child;
        path.push(child.name());
      } else {
        const argument = command.registeredArguments[argumentsSeen];
        if (argument) given[argument.name()] = word;
        argumentsSeen += 1;
      }
    }
  }
  return { path, command, argumentsSeen, open, given, isOptionsOver };
}

async function candidatesAt(place: Place, typed: string, values: ValueSource): Promise<Completion> {
  const { command, argumentsSeen, open, given, isOptionsOver, path } = place;
  if (open) return valuesOf(open, { name: open.long ?? '', given }, values);
  if (typed.startsWith('-') && !isOptionsOver) {
    const [flag = '', value] = typed.split(/=(.*)/s);
    const option = optionsAt(command).find(({ long }) => long === flag);
    if (value === undefined || !option) return { candidates: optionCandidates(place), disk: 'none' };
    const found = await valuesOf(option, { name: flag, given }, values);
    return {
      disk: 'none',
      candidates: found.candidates.map((one) => ({ ...one, value: `${flag}=${one.value}` })),
    };
  }
  const children = argumentsSeen === 0 ? command.createHelp().visibleCommands(command) : [];
  const commands = children.map((child) => ({ value: child.name(), description: child.description() }));
  const argument = command.registeredArguments[argumentsSeen];
  if (!argument) return { candidates: commands, disk: 'none' };
  const name = [...path, `<${argument.name()}>`].join(' ');
  const { candidates, disk } = await valuesOf(argument, { name, given }, values);
  return { candidates: [...commands, ...candidates], disk };
}

async function valuesOf(of: Option | Argument, value: OpenValue, values: ValueSource): Promise<Completion> {
  const choices = of.argChoices ?? (await values(value));
  const candidates = choices.map((one) => ({ value: one, description: '' }));
  const placeholder = 'flags' in of ? of.flags : of.name();
  if (/\b(DIR|folder)\b/i.test(placeholder)) return { candidates, disk: 'folders' };
  return { candidates, disk: /\bFILE\b/i.test(placeholder) ? 'files' : 'none' };
}

/** Options of the command and of those above it, without the ones that were given. */
function optionCandidates({ command, given }: Place): readonly Candidate[] {
  return optionsAt(command)
    .filter(({ hidden, long }) => !hidden && long !== undefined && !Object.hasOwn(given, long))
    .map(({ long, description }) => ({ value: long!, description }));
}

function optionsAt(command: Command): readonly Option[] {
  const above = command.parent ? optionsAt(command.parent) : [];
  const own = command.createHelp().visibleOptions(command);
  const names = new Set(own.map(({ long }) => long));
  return [...own, ...above.filter(({ long }) => !names.has(long))];
}
