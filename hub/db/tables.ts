/**
 * The rows of the database, as Kysely types. Times are milliseconds since the epoch, digests lower-case hex, booleans
 * 0 or 1, `json` columns text. A table is read and written by the store of the folder named in its comment alone.
 */
import type { Generated } from 'kysely';

export interface Tables {
  /** db: schema version, instance id. */
  meta: { key: string; value: string };
  /** data-folder: files that belong to this database, and by what they are known (see data-folder/inventory.ts). */
  inventory: { path: string; identity: string };
  /** access: API tokens; the secret is kept as SHA-256 only. */
  api_token: {
    name: string;
    role: string;
    secret_sha256: string;
    created_at: number;
    expires_at: number | null;
    revoked_at: number | null;
    last_used_at: number | null;
  };
  /**
   * idempotency: POSTs with an idempotency key. `target`: what the request changed; null when it changed nothing. `answer` is
   * encrypted (see idempotency/sealed-answer.ts); null when the hub ended before it was stored.
   */
  idempotent_request: {
    token: string;
    key_sha256: string;
    request_sha256: string;
    made_at: number;
    target: string | null;
    answer: Uint8Array | null;
  };
  /** audit: append-only, each row's `hash` covers the row and the hash before it. */
  audit_event: {
    number: Generated<number>;
    at: number;
    actor: string;
    address: string | null;
    action: string;
    target: string;
    details: string;
    previous_hash: string;
    hash: string;
  };
  /** pki: join tokens; the secret is kept as SHA-256 only. */
  join_token: {
    id: string;
    secret_sha256: string;
    device_group: string;
    uses_left: number;
    uses_total: number;
    created_at: number;
    expires_at: number;
    revoked_at: number | null;
    created_by: string;
  };
  /** pki: how each device was enrolled last; `key_sha256` is of its public key (SPKI, DER), `certificate` PEM. */
  enrolment: { device_id: string; join_token_id: string; key_sha256: string; certificate: string };
  /** devices. */
  device: {
    id: string;
    device_group: string;
    certificate_serial: string;
    certificate_sha256: string;
    certificate_expires_at: number;
    facts: string;
    enrolled_at: number;
    revoked_at: number | null;
    last_seen_at: number | null;
    /** What it last said; null until then, and again after a restore, where `reported_at` tells that it had spoken. */
    reported: string | null;
    reported_at: number | null;
  };
  /** devices: how many each group has; triggers keep it. */
  device_total: { device_group: string; devices: number };
  /** signing: TUF files by topic (see shared/protocol/trust-metadata.ts): every root, of the others the current one. */
  trust_file: { role: string; version: number; bytes: Uint8Array; added_at: number };
  /** models. */
  model: { name: string; created_at: number };
  version: {
    model: string;
    version: string;
    release: number;
    manifest_sha256: string;
    manifest: Uint8Array;
    published_at: number;
    published_by: string;
    withdrawn_at: number | null;
    withdrawn_reason: string | null;
    /** When the hub learnt of it, by its own clock; `withdrawn_at` is by the publisher's. */
    withdrawal_known_at: number | null;
    /** When its files began to leave. Its manifest stays in this row. */
    content_left_at: number | null;
    /** 1 while rows of `version_chunk` of it are still to be taken away. */
    content_leaving: Generated<number>;
  };
  /** models: which chunks belong to which version. */
  version_chunk: { manifest_sha256: string; chunk_sha256: string };
  /**
   * transfer: blobs on the disk. `unreferenced_since` is null while a version references it, else when it was uploaded, or when somebody was
   * told last that it is there. `uploaded_by`: name of a token, empty when a version references it or did, or nobody knows.
   */
  blob: {
    sha256: string;
    bytes: number;
    stored_at: number;
    unreferenced_since: number | null;
    uploaded_by: string;
  };
  /** transfer: sums over `blob`, kept by triggers; of referenced ones `uploaded_by` is empty. */
  blob_total: { referenced: number; uploaded_by: string; blobs: number; bytes: number };
  /** models: blobs that versions name and the hub is known to have lost; nothing waits for them. */
  blob_lost: { sha256: string; lost_at: number };
  /** rollout/director: what each device should run. `sequence` is that of the device's last signed statement. */
  desired_model: {
    device_id: string;
    model: string;
    version: string;
    release: number;
    manifest_sha256: string;
    rollout_id: string | null;
    /** The sequence of the statement that said it first. */
    offer: number | null;
    trial: string;
    set_at: number;
    /** 1 after a restore, until the device has said that it runs this: nothing is said of it meanwhile. */
    unconfirmed: Generated<number>;
  };
  /** rollout/director: the last release of a model on a device, by the statement that said it first. */
  desired_release: { device_id: string; model: string; sequence: number };
  /** rollout/director: models taken off a device, until it says that it has them no more, by the statement that said it first. */
  desired_unassigned: { device_id: string; model: string; sequence: number };
  /**
   * `envelope` is empty once the device was removed: its sequence stays, so that a machine that is enrolled again under its id
   * and has seen the statements of before takes the next.
   */
  desired_statement: { device_id: string; sequence: number; envelope: string; issued_at: number };
  /** rollout. `plan` and `state` json. */
  rollout: {
    id: string;
    model: string;
    version: string;
    plan: string;
    state: string;
    status: string;
    created_at: number;
    created_by: string;
    updated_at: number;
  };
  /** rollout: `assigned` is 1 while the device's desired state names the version because of this rollout. */
  rollout_device: {
    rollout_id: string;
    device_id: string;
    ordinal: number;
    status: string;
    assigned: number;
    /** Sequence of the statement that offered the version to the device, or reverted it. */
    sequence: number | null;
    previous_version: string | null;
    offered_at: number | null;
    changed_at: number;
    last_reported_at: number | null;
    reverted_at: number | null;
    /** How a device stands whose version was reverted. */
    revert_outcome: string | null;
    /** When the hub last tried, in vain, to offer it the version or to revert it. */
    tried_at: number | null;
    fault: string | null;
    /** When the device was removed from the hub. */
    removed_at: number | null;
  };
  rollout_verdict: {
    number: Generated<number>;
    rollout_id: string;
    at: number;
    phase: number;
    verdict: string;
    reasons: string;
    inputs: string;
  };
  /** devices: update events as received, once each. */
  device_event: {
    device_id: string;
    event_id: string;
    received_at: number;
    model: string;
    version: string;
    rollout_id: string | null;
    state: string;
    body: string;
  };
  /** telemetry: highest window number merged per stream; numbers arrive in order. */
  telemetry_stream: { device_id: string; stream: string; number: number; updated_at: number };
  /** telemetry: what one device added to one cell of one version in one hour, and how it looks by itself. `body` is CBOR. */
  telemetry_device_hour: {
    device_id: string;
    model: string;
    version: string;
    hour_at: number;
    rollout_id: string;
    arm: string;
    segment: string;
    device_group: string;
    severity: number;
    body: Uint8Array;
    /** Failed requests in `body`; 0 in rows that an older hub wrote last. */
    failed: Generated<number>;
  };
  /** telemetry: what device hours and reports add up to by cell, and by all cells (a star in each column). `body` is CBOR. */
  telemetry_rollup: {
    model: string;
    version: string;
    span_ms: number;
    span_at: number;
    rollout_id: string;
    arm: string;
    segment: string;
    device_group: string;
    body: Uint8Array;
  };
  /** telemetry: the hours in which a device reported a version first and last, and how it looked in the last hour that could be judged. */
  telemetry_activity: {
    model: string;
    version: string;
    device_id: string;
    device_group: string;
    first_at: number;
    last_at: number;
    severity: number;
    score: number;
    judged_at: number;
  };
  /** telemetry: what hubs before rollups stored by device and bucket; it leaves for device hours and rollups. */
  telemetry_bucket: {
    device_id: string;
    model: string;
    version: string;
    bucket_at: number;
    body: Uint8Array;
  };
  /** telemetry: one row, about what device hours, rollups and older buckets take on the disk; triggers keep it. */
  telemetry_size: { id: number; bytes: number };
  /**
   * telemetry: what each device brought for the offer of a rollout, made at `offered_at`. `credit_ms`: time that its windows
   * may cover beyond what they have, as of `updated_at`. `revision` grows with each change of any row. `body` is CBOR, as in a
   * bucket.
   */
  telemetry_evidence: {
    rollout_id: string;
    device_id: string;
    offered_at: number;
    credit_ms: number;
    updated_at: number;
    revision: Generated<number>;
    body: Uint8Array;
  };
  /** telemetry: devices that were removed from the hub and whose telemetry has not all gone yet; it counts for nothing. */
  telemetry_removed: { device_id: string; removed_at: number };
  /** objectives: of models for which they were set, and of their device groups (empty: all devices). `body` json. */
  objective: { model: string; device_group: string; body: string; set_at: number };
  /** alerts: one row for each time that a rule held for a subject; at most one of both is not resolved. */
  alert: {
    id: string;
    code: string;
    subject: string;
    severity: string;
    state: string;
    summary: string;
    pending_at: number;
    fired_at: number | null;
    clear_since: number | null;
    resolved_at: number | null;
    acknowledged_at: number | null;
    acknowledged_by: string | null;
    recurrences: number;
    /** What receivers were last sent of it: `firing` or `resolved`. */
    notified: string | null;
  };
  /** alerts: null in `code` or `subject` matches every one. */
  alert_silence: {
    id: string;
    code: string | null;
    subject: string | null;
    reason: string;
    created_at: number;
    created_by: string;
    ends_at: number;
  };
  /** alerts: notifications that a receiver has not accepted yet, in the order of `number`, and those that were given up. `body` json. */
  alert_delivery: {
    number: Generated<number>;
    id: string;
    receiver: string;
    subject: string;
    body: string;
    created_at: number;
    tries: number;
    tried_at: number | null;
    dead_at: number | null;
    fault: string | null;
  };
}
