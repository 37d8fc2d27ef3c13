//! The lines that functions print, kept for the API: the newest of each service, until the process ends.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use shared::limits::FUNCTION_LOGS_KEPT_MAX;

use crate::catalogue::new_sid;
use crate::message::Level;

/// A printed line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    pub sid: String,
    pub account: String,
    pub service: String,
    pub environment: String,
    pub build: String,
    pub function: String,
    pub request: String,
    pub level: Level,
    pub text: String,
    pub created_ms: i64,
}

/// The lines of all services.
#[derive(Clone, Default)]
pub(crate) struct Logs(Arc<Mutex<BTreeMap<String, VecDeque<Line>>>>);

impl Logs {
    pub(crate) fn add(&self, line: Line) {
        let mut services = self.0.lock();
        let lines = services.entry(line.service.clone()).or_default();
        if lines.len() >= FUNCTION_LOGS_KEPT_MAX {
            lines.pop_front();
        }
        lines.push_back(Line { sid: new_sid("NO"), ..line });
    }

    /// The lines of a service that `wanted` takes, newest first.
    pub(crate) fn of(&self, service: &str, wanted: impl Fn(&Line) -> bool) -> Vec<Line> {
        let services = self.0.lock();
        let lines = services.get(service).into_iter().flatten();
        lines.rev().filter(|line| wanted(line)).cloned().collect()
    }

    pub(crate) fn forget(&self, service: &str) {
        self.0.lock().remove(service);
    }
}
