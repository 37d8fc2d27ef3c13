//! First stage: everything that can be refused before a socket is opened. Shell.
//!
//! The data folder is locked before its store is looked at, the store is checked before it is opened, and
//! the key is kept before the first account is sealed with it: a start that is killed between any two of
//! these leaves a folder that the next start understands.

use std::sync::Arc;

use database::{Database, Opened};
use recorder::SealingKey;
use shared::config::{Config, Cores};
use shared::ids::Origin;
use shell::Clock;
use storage::{BucketSettings, Outbox};
use store::DomainSuffix;

use super::error::{ServeError, database_error};
use crate::account::{self, AccountVariables, MainAccount};
use crate::data_dir::DataDir;
use crate::jobs;
use crate::memory::{self, MemoryPlan};
use crate::sealing::KeyFileSealer;
use crate::settings::Settings;

/// A gateway that may start: its folder is ours, its limits fit the machine, its store is open.
pub(super) struct Plan<'s> {
    pub settings: &'s Settings,
    pub data: DataDir,
    /// In every id that peers send back.
    pub origin: Origin,
    pub memory: MemoryPlan,
    pub database: Arc<Database>,
    pub opened: Opened,
    pub account: MainAccount,
    /// Orders for the bucket of recordings.
    pub outbox: Arc<Outbox>,
    /// The key that recordings are encrypted with; `None`: they are not.
    pub recordings_key: Option<Arc<SealingKey>>,
}

impl<'s> Plan<'s> {
    /// Locks and reads the data folder, makes the first account, recovers recordings.
    ///
    /// # Errors
    /// [`ServeError`]; the lock of the folder is released.
    pub fn make(
        settings: &'s Settings,
        variables: &AccountVariables,
        wanted: StoreWanted,
    ) -> Result<Self, ServeError> {
        let config = &settings.config;
        for sentence in config.warnings(&settings.layers) {
            tracing::warn!("{sentence}");
        }
        let bucket = BucketSettings::read(&config.recordings)?;
        let recordings_key = SealingKey::read(&config.recordings)?.map(Arc::new);
        let data = DataDir::open(&config.node.data_dir)?;
        let origin = Origin { node: config.node.id, generation: data.generation };
        let memory = plan_memory(config)?;
        let sealer = Arc::new(KeyFileSealer::new(&data.key));
        let database = Arc::new(Database::at(&data.database_path(), sealer));
        check_store(&data, &database, wanted)?;
        let suffix = DomainSuffix::new(&config.node.domain_suffix);
        let mut opened = database
            .open(suffix, Clock.unix_ms(), origin)
            .map_err(|error| database_error(error, &data))?;
        data.keep_key()?;
        let account = account::ensure(
            &data,
            &mut *opened.writer,
            &mut opened.snapshot,
            variables,
            origin,
            Clock.unix_ms(),
        )?;
        let outbox = Arc::new(Outbox::new(data.uploads_path(), data.recordings_path(), bucket));
        recover_recordings(&data, recordings_key.as_deref(), &outbox, &mut opened);
        // Merges the log into the main file: a copy of that file alone then holds the accounts.
        opened.writer.checkpoint().map_err(|error| database_error(error, &data))?;
        Ok(Self {
            settings,
            data,
            origin,
            memory,
            database,
            opened,
            account,
            outbox,
            recordings_key,
        })
    }
}

/// What to do if the store of a data folder is missing or damaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreWanted {
    /// Refuse to start.
    #[default]
    AsItIs,
    /// Rename its remains and begin with an empty store.
    New,
}

/// Media cores that the settings ask for.
pub(super) fn media_cores(config: &Config) -> usize {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    match &config.media.cores {
        Cores::Auto => cpus.saturating_sub(2).max(1),
        Cores::List(list) => list.len(),
    }
}

fn plan_memory(config: &Config) -> Result<MemoryPlan, ServeError> {
    let cores = media_cores(config);
    let available = memory::available(config);
    let plan = MemoryPlan::new(config, cores as u64, available)?;
    tracing::info!(
        calls = plan.calls,
        sum = %shared::config::ByteSize(plan.bytes()),
        available = %shared::config::ByteSize(available),
        "memory that all limits together may take"
    );
    tracing::debug!("of that: {}", plan.detail());
    Ok(plan)
}

/// Refuses a folder whose store is missing or damaged. An empty store in its place would answer 401 to
/// every application and would not know one phone.
fn check_store(data: &DataDir, database: &Database, wanted: StoreWanted) -> Result<(), ServeError> {
    use database::Found::{Accounts, Empty, Nothing};
    let path = data.database_path();
    let trace = data.trace_of_store();
    let problem = match (database.find(), &trace) {
        (Ok(Accounts), _) if data.key_is_new => {
            "the store is there and the file `key` is gone, without which its secrets cannot be read"
                .to_owned()
        }
        (Ok(Accounts), _) | (Ok(Empty | Nothing), None) => return Ok(()),
        // A first start was killed after it wrote the key and before it made the account.
        (Ok(Empty), Some(_)) if !data.credentials_path().exists() => return Ok(()),
        (Ok(Empty | Nothing), Some(trace)) => {
            format!("{} shows that a store was here, and {} is gone", trace.display(), path.display())
        }
        (Err(error), _) => error.to_string(),
    };
    if wanted == StoreWanted::AsItIs {
        return Err(ServeError::Store { problem, folder: data.path().to_owned() });
    }
    tracing::warn!("beginning anew, as --new-store asks for: {problem}");
    put_aside(data, database)
}

/// Renames the files of a store, and the credentials of its account.
fn put_aside(data: &DataDir, database: &Database) -> Result<(), ServeError> {
    let suffix = format!("old-{}", Clock.unix_ms() / 1_000);
    let credentials = data.credentials_path();
    for file in database.files().into_iter().chain([credentials]) {
        let mut aside = file.clone().into_os_string();
        aside.push(format!(".{suffix}"));
        match std::fs::rename(&file, &aside) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(ServeError::System { what: "with a new store", source: error });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Repairs files and rows of recordings that a kill interrupted, and removes files of recordings that
/// were deleted.
fn recover_recordings(
    data: &DataDir,
    key: Option<&SealingKey>,
    outbox: &Outbox,
    opened: &mut Opened,
) {
    use store::{Change, RecordingStatus};
    for (account, recording) in std::mem::take(&mut opened.recovered.deleted) {
        if let Err(error) = outbox.remove(account, recording) {
            tracing::error!(%recording, %error, "a deleted recording's file is still there");
        }
    }
    let files = match recorder::recover(&data.recordings_path(), key) {
        Ok(files) => files,
        Err(error) => {
            tracing::error!(%error, "recordings of the last process cannot be looked for");
            return;
        }
    };
    let unix_ms = Clock.unix_ms();
    let mut changes = Vec::new();
    for mut record in std::mem::take(&mut opened.recovered.recordings) {
        let kept = files.iter().find(|file| file.recording == record.sid);
        let facts = kept.and_then(|file| file.facts.clone()).or_else(|| {
            // The file was finished, but the kill came before its row.
            recorder::kept(&data.recordings_path(), record.account, record.sid).ok().flatten()
        });
        if facts.is_some() {
            jobs::order_upload(outbox, record.account, record.sid);
        }
        record.updated_ms = unix_ms;
        record.duration_s = Some(facts.as_ref().map_or(0, |facts| {
            u32::try_from(facts.duration_ms.div_ceil(1_000)).unwrap_or(u32::MAX)
        }));
        record.bytes = facts.as_ref().map(|facts| facts.bytes);
        record.status = match &facts {
            Some(_) => RecordingStatus::Completed,
            None => RecordingStatus::Absent,
        };
        record.encryption = facts.as_ref().and_then(|facts| facts.encryption.clone());
        record.error_code = facts.is_none().then_some(shared::Code::RECORDING_TOO_SHORT);
        changes.push(Change::PutRecording(Arc::new(record)));
    }
    if !changes.is_empty() {
        tracing::warn!(recordings = changes.len(), "finished recordings that a kill interrupted");
        if let Err(error) = opened.writer.commit(unix_ms, &changes) {
            tracing::error!(recordings = changes.len(), %error, "their records stay as they were");
        }
    }
}
