//! Reads the store of a data folder, for commands. A gateway may be running on it: nothing is locked or
//! written. Shell.

use std::sync::Arc;

use database::Database;
use store::{DomainSuffix, Snapshot};

use crate::data_dir::{DataDir, database_in};
use crate::sealing::KeyFileSealer;
use crate::settings::Settings;

/// Accounts, domains, lists and mappings as they are now.
///
/// # Errors
/// A sentence with its remedy. A folder without a store is an error.
pub fn snapshot(settings: &Settings) -> Result<Snapshot, String> {
    let folder = &settings.config.node.data_dir;
    let key = DataDir::read_key(folder).map_err(|error| {
        format!("{error} Start the gateway once, or name its folder with --data.")
    })?;
    let suffix = DomainSuffix::new(&settings.config.node.domain_suffix);
    Database::at(&database_in(folder), Arc::new(KeyFileSealer::new(&key)))
        .snapshot(suffix)
        .map_err(|error| format!("{error} (data folder {})", folder.display()))
}

/// The labels of all SIP domains, in order; none in a folder without a store.
///
/// # Errors
/// A sentence, if there is a store and it cannot be read.
pub fn domains(settings: &Settings) -> Result<Vec<String>, String> {
    if !database_in(&settings.config.node.data_dir).exists() {
        return Ok(Vec::new());
    }
    let snapshot = snapshot(settings)?;
    let mut labels: Vec<String> =
        snapshot.domains().map(|domain| domain.labels.as_str().to_owned()).collect();
    labels.sort_unstable();
    Ok(labels)
}
