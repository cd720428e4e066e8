/** What every command gets: a client of the hub, and a printer. Built once in main.ts. */
import type { Progress } from './progress.ts';

/** Paths are below `/api/v1`: `get('/devices')`. */
export interface HubClient {
  /** JSON answer of `GET path`. Throws the hub's own error (code, detail) as AppError; `hub_unreachable` when there is none. */
  get(path: string, query?: Readonly<Record<string, string | number | undefined>>): Promise<unknown>;
  post(path: string, body?: unknown): Promise<unknown>;
  patch(path: string, body: unknown): Promise<unknown>;
  put(path: string, body: unknown): Promise<unknown>;
  delete(path: string): Promise<unknown>;
  /** `PUT path` with raw bytes. */
  putBytes(path: string, bytes: Uint8Array): Promise<unknown>;
  close(): Promise<void>;
}

export interface Column<T> {
  readonly title: string;
  readonly value: (row: T) => string | number;
  readonly align?: 'left' | 'right';
  /** Shown with `-o wide` alone. */
  readonly isWide?: boolean;
}

export interface Printer {
  /** True when results are printed for a program (JSON, YAML, a path, names): remarks are left out. */
  readonly isData: boolean;
  /** Columns of the terminal that results are shown on as text, where charts can be drawn; undefined in a pipe and for data. */
  readonly width?: number | undefined;
  /** True when neither remarks nor progress are shown. */
  readonly isQuiet: boolean;
  /**
   * The result of the command: `value` as data, or what `text` gives, a line or lines. `name` is what `-o name` prints; without
   * one it prints the text, in which a table is the names in its first column. Everything is made safe for a terminal.
   */
  result(value: unknown, text: () => string | readonly string[], name?: string): void;
  /** Lines, the titles first; on a terminal cut to its width. */
  table<T>(rows: readonly T[], columns: readonly Column<T>[]): readonly string[];
  /** A remark for people, made safe, on standard error; nothing where results are data, or with `--quiet`. */
  note(text: string): void;
  /** Progress on standard error; it shows nothing where results are data, or with `--quiet`. */
  progress(): Progress;
  /** That a list goes on after what was shown, on standard error: with JSON as a line `{"more":{"after":…}}`. */
  more(after: string): void;
}

/** Options that every command takes, as far as commands read them. */
export interface ContextFlags {
  readonly hub?: string;
  readonly context?: string;
}

export interface CliContext {
  /** Client of the hub the user is logged in to (flags, environment, or the saved login). Throws `not_logged_in`. */
  hub(): Promise<HubClient>;
  readonly flags: () => ContextFlags;
  readonly printer: () => Printer;
  /** Exit code of a command that has worked and says with it what it found. */
  readonly endWith: (exitCode: number) => void;
}
