/**
 * Kysely's driver for the one SQLite connection. A database that another process has locked is asked again without
 * holding up the event loop, which SQLite's own waiting would. Inside a transaction that cannot happen: it takes the right to
 * write when it begins. A lock is waited for once, not by each statement: when it has lasted too long, those that come later
 * are tried once and fail at once, until a write succeeds.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Database as Sqlite, Statement } from 'better-sqlite3';
import {
  CompiledQuery,
  type DatabaseConnection,
  type Driver,
  type QueryResult,
  SqliteAdapter,
  SqliteDialect,
  type TransactionSettings,
} from 'kysely';
import { limits } from '../../shared/base/limits.ts';
import { ConnectionQueue } from './connection-queue.ts';
import { isDatabaseLocked } from './storage-trouble.ts';

const ASK_AGAIN_MS = 20;
/** Gives nothing back and works step by step, of which `run` takes only the first. */
const STEPPED = /^pragma incremental_vacuum\(\d+\)$/;

export class OneConnectionDialect extends SqliteDialect {
  readonly #sqlite: Sqlite;

  constructor(sqlite: Sqlite) {
    super({ database: sqlite });
    this.#sqlite = sqlite;
  }

  override createDriver(): Driver {
    return new OneConnectionDriver(this.#sqlite);
  }

  override createAdapter(): SqliteAdapter {
    return new TurnsAdapter();
  }
}

/** The driver hands out the connection in turn: Kysely's own lock wakes everybody who waits each time it is given back. */
class TurnsAdapter extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true;
  }
}

class OneConnectionDriver implements Driver {
  readonly #sqlite: Sqlite;
  readonly #connection: CachingConnection;
  readonly #turns = new ConnectionQueue();

  constructor(sqlite: Sqlite) {
    this.#sqlite = sqlite;
    this.#connection = new CachingConnection(sqlite, this.#turns);
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<DatabaseConnection> {
    await this.#turns.take();
    return this.#connection;
  }

  async releaseConnection(): Promise<void> {
    this.#turns.giveBack();
  }

  /** One that only reads needs no right to write: it goes on while another process has that. */
  async beginTransaction(
    _connection: DatabaseConnection,
    { accessMode }: TransactionSettings,
  ): Promise<void> {
    const begin = accessMode === 'read only' ? 'begin' : 'begin immediate';
    await this.#connection.executeQuery(CompiledQuery.raw(begin));
  }

  async commitTransaction(): Promise<void> {
    await this.#connection.executeQuery(CompiledQuery.raw('commit'));
  }

  /** After some failures, such as a full disk, SQLite has rolled back by itself. */
  async rollbackTransaction(): Promise<void> {
    if (this.#sqlite.inTransaction) await this.#connection.executeQuery(CompiledQuery.raw('rollback'));
  }

  async destroy(): Promise<void> {
    this.#sqlite.close();
  }
}

class CachingConnection implements DatabaseConnection {
  readonly #sqlite: Sqlite;
  readonly #turns: ConnectionQueue;
  /** Least recently used first. */
  readonly #statements = new Map<string, Statement>();
  /** When another process was first and last found to hold the lock; undefined once a write has succeeded. */
  #lock: { readonly since: number; seen: number } | undefined;

  constructor(sqlite: Sqlite, turns: ConnectionQueue) {
    this.#sqlite = sqlite;
    this.#turns = turns;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    for (;;) {
      try {
        return this.#execute<R>(query);
      } catch (error) {
        if (!isDatabaseLocked(error) || this.#sqlite.inTransaction) throw error;
        if (this.#lockedForMs(performance.now()) > limits.databaseLockedMsMax) throw error;
      }
      // Nothing has begun: others, such as those who only read, may go on meanwhile.
      this.#turns.giveBack();
      await wait(ASK_AGAIN_MS);
      await this.#turns.take();
    }
  }

  // biome-ignore lint/correctness/useYield: nothing of the hub streams; pages are read with queries of their own.
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error('queries are not streamed');
  }

  #execute<R>({ sql, parameters }: CompiledQuery): QueryResult<R> {
    const statement = this.#statement(sql);
    const result = this.#run<R>(statement, sql, parameters);
    // Reading goes on while another process may write.
    if (!statement.readonly) this.#lock = undefined;
    return result;
  }

  /** A lock that no statement has met for twice the time it is waited for may have ended: this is another one. */
  #lockedForMs(now: number): number {
    if (!this.#lock || now - this.#lock.seen > 2 * limits.databaseLockedMsMax) {
      this.#lock = { since: now, seen: now };
    }
    this.#lock.seen = now;
    return now - this.#lock.since;
  }

  #run<R>(statement: Statement, sql: string, parameters: readonly unknown[]): QueryResult<R> {
    if (statement.reader) return { rows: statement.all(...parameters) as R[] };
    if (STEPPED.test(sql)) {
      this.#sqlite.exec(sql);
      return { rows: [] };
    }
    const { changes, lastInsertRowid } = statement.run(...parameters);
    return { insertId: BigInt(lastInsertRowid), numAffectedRows: BigInt(changes), rows: [] };
  }

  #statement(sql: string): Statement {
    const statement = this.#statements.get(sql) ?? this.#sqlite.prepare(sql);
    this.#statements.delete(sql);
    this.#statements.set(sql, statement);
    if (this.#statements.size > limits.statementsPreparedMax) {
      this.#statements.delete(this.#statements.keys().next().value!);
    }
    return statement;
  }
}
