//! Tables, and the migrations that bring an older file up to date.

use rusqlite::Connection;

use store::StoreError;

use super::error::OpenError;

/// Brings the file to the newest schema. Each step is a transaction of its own, so a kill leaves a whole version.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), OpenError> {
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let newest = MIGRATIONS.len() as u32;
    // A newer program may keep in its columns what this one would overwrite.
    if found > newest {
        return Err(StoreError::Newer { found, newest }.into());
    }
    // Each step sets its version in its own transaction, so that no step runs twice.
    for (version, step) in (1_u32..).zip(MIGRATIONS).skip(found as usize) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Checks that the file has the newest schema.
pub(super) fn check(connection: &Connection) -> Result<(), OpenError> {
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let newest = MIGRATIONS.len() as u32;
    match found.cmp(&newest) {
        std::cmp::Ordering::Less => Err(StoreError::Older { found, newest }.into()),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(StoreError::Newer { found, newest }.into()),
    }
}

// Tables are STRICT, so that a value of another type is refused when it is written and not found when it is
// read. Without ROWID a row lies in the tree of its SID, and a lookup walks one tree. History refers to
// nothing by foreign key: it has no precondition that could fail.
/// Step n brings a file from version n to n + 1. A released step is never edited: files that ran it exist.
///
/// SIDs are 16-byte blobs: their order is their age, so every index grows at its end.
/// Times are Unix milliseconds.
const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE accounts (
    sid BLOB PRIMARY KEY,
    parent BLOB REFERENCES accounts(sid),
    friendly_name TEXT NOT NULL,
    status TEXT NOT NULL,
    auth_token BLOB NOT NULL, -- sealed
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX accounts_by_parent ON accounts(parent, sid);

CREATE TABLE api_keys (
    sid BLOB PRIMARY KEY,
    account BLOB NOT NULL REFERENCES accounts(sid),
    friendly_name TEXT NOT NULL,
    secret_hash BLOB NOT NULL,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX api_keys_by_account ON api_keys(account, sid);

CREATE TABLE domains (
    sid BLOB PRIMARY KEY,
    account BLOB NOT NULL REFERENCES accounts(sid),
    domain_name TEXT NOT NULL,
    labels TEXT NOT NULL UNIQUE,
    parent BLOB REFERENCES domains(sid),
    friendly_name TEXT NOT NULL,
    voice_url TEXT,
    voice_method TEXT NOT NULL,
    voice_fallback_url TEXT,
    voice_fallback_method TEXT NOT NULL,
    voice_status_callback_url TEXT,
    voice_status_callback_method TEXT NOT NULL,
    sip_registration INTEGER NOT NULL,
    emergency_calling_enabled INTEGER NOT NULL,
    secure INTEGER NOT NULL,
    byoc_trunk_sid TEXT,
    emergency_caller_sid TEXT,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX domains_by_account ON domains(account, sid);
CREATE INDEX domains_by_parent ON domains(parent) WHERE parent IS NOT NULL;

CREATE TABLE credential_lists (
    sid BLOB PRIMARY KEY,
    account BLOB NOT NULL REFERENCES accounts(sid),
    friendly_name TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    UNIQUE (account, friendly_name)
) STRICT, WITHOUT ROWID;
CREATE INDEX credential_lists_by_account ON credential_lists(account, sid);

CREATE TABLE credentials (
    sid BLOB PRIMARY KEY,
    account BLOB NOT NULL REFERENCES accounts(sid),
    list BLOB NOT NULL REFERENCES credential_lists(sid) ON DELETE CASCADE,
    username TEXT NOT NULL,
    ha1_md5 BLOB NOT NULL,
    ha1_sha256 BLOB NOT NULL,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    UNIQUE (list, username)
) STRICT, WITHOUT ROWID;
CREATE INDEX credentials_by_list ON credentials(list, sid);

CREATE TABLE ip_access_control_lists (
    sid BLOB PRIMARY KEY,
    account BLOB NOT NULL REFERENCES accounts(sid),
    friendly_name TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    UNIQUE (account, friendly_name)
) STRICT, WITHOUT ROWID;
CREATE INDEX ip_access_control_lists_by_account ON ip_access_control_lists(account, sid);

CREATE TABLE ip_addresses (
    sid BLOB PRIMARY KEY,
    account BLOB NOT NULL REFERENCES accounts(sid),
    list BLOB NOT NULL REFERENCES ip_access_control_lists(sid) ON DELETE CASCADE,
    friendly_name TEXT NOT NULL,
    address TEXT NOT NULL,
    prefix INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    UNIQUE (list, friendly_name),
    UNIQUE (list, address, prefix)
) STRICT, WITHOUT ROWID;
CREATE INDEX ip_addresses_by_list ON ip_addresses(list, sid);

-- A list is referenced by the column of its kind, so that it cannot go while it is mapped.
CREATE TABLE mappings (
    domain BLOB NOT NULL REFERENCES domains(sid) ON DELETE CASCADE,
    kind INTEGER NOT NULL,
    list BLOB NOT NULL,
    credential_list BLOB REFERENCES credential_lists(sid),
    ip_access_control_list BLOB REFERENCES ip_access_control_lists(sid),
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (domain, kind, list),
    CHECK ((credential_list IS NULL) <> (ip_access_control_list IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX mappings_by_credential_list ON mappings(credential_list)
    WHERE credential_list IS NOT NULL;
CREATE INDEX mappings_by_ip_access_control_list ON mappings(ip_access_control_list)
    WHERE ip_access_control_list IS NOT NULL;

CREATE TABLE calls (
    sid BLOB PRIMARY KEY,
    account BLOB NOT NULL,
    parent BLOB,
    callee TEXT NOT NULL,
    caller TEXT NOT NULL,
    status TEXT NOT NULL,
    direction TEXT NOT NULL,
    start_ms INTEGER,
    end_ms INTEGER,
    duration_s INTEGER,
    queue_time_ms INTEGER NOT NULL,
    answered_by TEXT,
    forwarded_from TEXT,
    caller_name TEXT,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX calls_by_account ON calls(account, sid);
CREATE INDEX calls_by_callee ON calls(account, callee, sid);
CREATE INDEX calls_by_caller ON calls(account, caller, sid);
CREATE INDEX calls_by_parent ON calls(parent, sid) WHERE parent IS NOT NULL;
CREATE INDEX calls_live ON calls(account, sid) WHERE end_ms IS NULL;

CREATE TABLE recordings (
    sid BLOB PRIMARY KEY,
    account BLOB NOT NULL,
    call BLOB NOT NULL,
    conference BLOB,
    status TEXT NOT NULL,
    source TEXT NOT NULL,
    channels INTEGER NOT NULL,
    duration_s INTEGER,
    bytes INTEGER,
    start_ms INTEGER NOT NULL,
    error_code INTEGER,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX recordings_by_account ON recordings(account, sid);
CREATE INDEX recordings_by_call ON recordings(call, sid);
CREATE INDEX recordings_by_status ON recordings(status, updated_ms);

CREATE TABLE notifications (
    sid BLOB PRIMARY KEY,
    account BLOB NOT NULL,
    call BLOB,
    level INTEGER NOT NULL,
    error_code INTEGER NOT NULL,
    message TEXT NOT NULL,
    method TEXT,
    url TEXT,
    request_variables TEXT,
    response_headers TEXT,
    response_body TEXT,
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX notifications_by_account ON notifications(account, sid);
CREATE INDEX notifications_by_call ON notifications(call, sid) WHERE call IS NOT NULL;

CREATE TABLE exchanges (
    call BLOB NOT NULL,
    id BLOB NOT NULL,
    account BLOB NOT NULL,
    method TEXT NOT NULL,
    url TEXT NOT NULL,
    parameters TEXT NOT NULL, -- JSON: [[name, value], ...]
    response_code INTEGER,
    request_duration_ms INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    response_body TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (call, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE timelines (
    call BLOB PRIMARY KEY,
    account BLOB NOT NULL,
    json TEXT NOT NULL
) STRICT, WITHOUT ROWID;
",
    "
CREATE TABLE bindings (
    sid BLOB PRIMARY KEY,
    account BLOB NOT NULL,
    domain BLOB NOT NULL REFERENCES domains(sid) ON DELETE CASCADE,
    user TEXT NOT NULL,
    contact BLOB NOT NULL,
    path BLOB NOT NULL,
    call_id TEXT NOT NULL,
    cseq INTEGER NOT NULL,
    transport TEXT NOT NULL,
    remote TEXT NOT NULL,
    local TEXT NOT NULL,
    edge TEXT NOT NULL,
    instance TEXT,
    reg_id INTEGER,
    user_agent TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX bindings_by_domain ON bindings(domain, sid);
",
    "
CREATE TABLE applications (
    sid BLOB PRIMARY KEY,
    account BLOB NOT NULL REFERENCES accounts(sid),
    friendly_name TEXT,
    api_version TEXT NOT NULL,
    voice_url TEXT,
    voice_method TEXT NOT NULL,
    voice_fallback_url TEXT,
    voice_fallback_method TEXT NOT NULL,
    status_callback TEXT,
    status_callback_method TEXT NOT NULL,
    voice_caller_id_lookup INTEGER NOT NULL,
    public_connect INTEGER NOT NULL,
    sms_url TEXT,
    sms_method TEXT NOT NULL,
    sms_fallback_url TEXT,
    sms_fallback_method TEXT NOT NULL,
    sms_status_callback TEXT,
    message_status_callback TEXT,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX applications_by_account ON applications(account, sid);
",
    "
CREATE TABLE conferences (
    sid BLOB PRIMARY KEY,
    account BLOB NOT NULL,
    friendly_name TEXT NOT NULL,
    status TEXT NOT NULL,
    region TEXT NOT NULL,
    reason_ended TEXT,
    call_ending BLOB,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX conferences_by_account ON conferences(account, sid);
CREATE INDEX conferences_by_name ON conferences(account, friendly_name, sid);
CREATE INDEX conferences_live ON conferences(account, sid) WHERE reason_ended IS NULL;
",
    "
CREATE TABLE queues (
    sid BLOB PRIMARY KEY,
    account BLOB NOT NULL REFERENCES accounts(sid),
    friendly_name TEXT NOT NULL,
    max_size INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    UNIQUE (account, friendly_name)
) STRICT, WITHOUT ROWID;
CREATE INDEX queues_by_account ON queues(account, sid);
",
    // `<Record>` alone recorded a single track by default, and a row did not say which.
    "
ALTER TABLE recordings ADD COLUMN track TEXT NOT NULL DEFAULT 'both';
UPDATE recordings SET track = 'inbound' WHERE source = 'RecordVerb';
",
    "
CREATE TABLE incoming_phone_numbers (
    sid BLOB PRIMARY KEY,
    account BLOB NOT NULL REFERENCES accounts(sid),
    phone_number TEXT NOT NULL UNIQUE,
    friendly_name TEXT NOT NULL,
    number_type TEXT NOT NULL,
    beta INTEGER NOT NULL,
    origin TEXT NOT NULL,
    api_version TEXT NOT NULL,
    voice_url TEXT,
    voice_method TEXT NOT NULL,
    voice_fallback_url TEXT,
    voice_fallback_method TEXT NOT NULL,
    status_callback TEXT,
    status_callback_method TEXT NOT NULL,
    voice_application BLOB REFERENCES applications(sid) ON DELETE SET NULL,
    trunk_sid TEXT,
    voice_caller_id_lookup INTEGER NOT NULL,
    voice_receive_mode TEXT NOT NULL,
    sms_url TEXT,
    sms_method TEXT NOT NULL,
    sms_fallback_url TEXT,
    sms_fallback_method TEXT NOT NULL,
    sms_application TEXT,
    emergency_status TEXT NOT NULL,
    emergency_address_sid TEXT,
    address_sid TEXT,
    identity_sid TEXT,
    bundle_sid TEXT,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX incoming_phone_numbers_by_account ON incoming_phone_numbers(account, sid);
CREATE INDEX incoming_phone_numbers_by_application ON incoming_phone_numbers(voice_application)
    WHERE voice_application IS NOT NULL;
",
    "
CREATE TABLE outgoing_caller_ids (
    sid BLOB PRIMARY KEY,
    account BLOB NOT NULL REFERENCES accounts(sid),
    phone_number TEXT NOT NULL,
    friendly_name TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    UNIQUE (account, phone_number)
) STRICT, WITHOUT ROWID;
CREATE INDEX outgoing_caller_ids_by_account ON outgoing_caller_ids(account, sid);
",
    // Partial: a start looks for the few that are owed among all calls.
    "
ALTER TABLE calls ADD COLUMN owed_callback TEXT;
CREATE INDEX calls_owing ON calls(sid) WHERE owed_callback IS NOT NULL;
",
    "
ALTER TABLE recordings ADD COLUMN encryption TEXT;
",
    "
ALTER TABLE recordings ADD COLUMN transcript TEXT;
CREATE INDEX recordings_transcribed ON recordings(account, sid) WHERE transcript IS NOT NULL;
",
    "
CREATE TABLE flows (
    sid BLOB PRIMARY KEY,
    account BLOB NOT NULL REFERENCES accounts(sid),
    friendly_name TEXT NOT NULL,
    status TEXT NOT NULL,
    definition TEXT NOT NULL,
    commit_message TEXT,
    published_definition TEXT,
    published_revision INTEGER,
    published_ms INTEGER,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX flows_by_account ON flows(account, sid);
CREATE TABLE executions (
    sid BLOB PRIMARY KEY,
    account BLOB NOT NULL,
    flow BLOB NOT NULL,
    contact TEXT NOT NULL,
    status TEXT NOT NULL,
    context TEXT NOT NULL,
    steps TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX executions_by_account ON executions(account, flow, sid);
CREATE INDEX executions_active ON executions(sid) WHERE status = 'active';
",
    "
CREATE TABLE twiml_bins (
    sid BLOB PRIMARY KEY,
    account BLOB NOT NULL REFERENCES accounts(sid),
    friendly_name TEXT NOT NULL,
    content TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX twiml_bins_by_account ON twiml_bins(account, sid);
",
    // Of flows that are there, what they kept: the newest revision, and the published one where that is another.
    "
CREATE TABLE flow_revisions (
    flow BLOB NOT NULL REFERENCES flows(sid) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    friendly_name TEXT NOT NULL,
    status TEXT NOT NULL,
    definition TEXT NOT NULL,
    commit_message TEXT,
    updated_ms INTEGER NOT NULL,
    PRIMARY KEY (flow, number)
) STRICT;
INSERT INTO flow_revisions
    SELECT sid, revision, friendly_name, status, definition, commit_message, updated_ms FROM flows;
INSERT INTO flow_revisions
    SELECT sid, published_revision, friendly_name, 'published', published_definition, NULL,
           coalesce(published_ms, updated_ms)
    FROM flows WHERE published_revision < revision;
",
    "
CREATE TABLE flow_test_users (
    flow BLOB PRIMARY KEY REFERENCES flows(sid) ON DELETE CASCADE,
    users TEXT NOT NULL
) STRICT, WITHOUT ROWID;
",
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs steps of an older program.
    fn up_to(version: usize) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        for step in &MIGRATIONS[..version] {
            connection.execute_batch(step).unwrap();
        }
        connection.pragma_update(None, "user_version", version as u32).unwrap();
        connection
    }

    #[test]
    fn flows_of_an_older_file_have_the_revisions_that_it_kept() {
        let version = MIGRATIONS.iter().position(|step| step.contains("flow_revisions (")).unwrap();
        let mut connection = up_to(version);
        connection
            .execute_batch(
                "INSERT INTO accounts VALUES (x'01', NULL, '', 'active', x'00', 0, 0, 1);
                 INSERT INTO flows VALUES (x'02', x'01', 'a', 'draft', 'new', 'm', 'old', 3, 7, 1, 9, 5);
                 INSERT INTO flows VALUES (x'03', x'01', 'b', 'published', 'b', NULL, 'b', 2, 4, 1, 4, 2);
                 INSERT INTO flows VALUES (x'04', x'01', 'c', 'draft', 'c', NULL, NULL, NULL, NULL, 1, 1, 1);",
            )
            .unwrap();
        migrate(&mut connection).unwrap();
        let mut statement = connection
            .prepare("SELECT hex(flow) || number || status || definition || updated_ms FROM flow_revisions ORDER BY 1")
            .unwrap();
        let kept: Vec<String> =
            statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
        assert_eq!(kept, ["023publishedold7", "025draftnew9", "032publishedb4", "041draftc1"]);
    }
}
