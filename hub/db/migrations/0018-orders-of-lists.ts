/** Orders that lists can be asked for, and what the audit log is searched by: each by an index. */
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  `create index rollout_by_creation on rollout (created_at, id)`,
  `create index join_token_by_creation on join_token (created_at, id)`,
  `create index join_token_by_expiry on join_token (expires_at, id)`,
  `create index api_token_by_creation on api_token (created_at, name)`,
  `create index audit_event_by_action on audit_event (action, number)`,
  `create index audit_event_by_actor on audit_event (actor, number)`,
  `create index audit_event_by_target on audit_event (target, number)`,
  `create index audit_event_by_time on audit_event (at)`,
];
