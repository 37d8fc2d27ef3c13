//! Notifications: what an account reads about its calls and its refusals. Sans-IO.

use std::collections::BTreeMap;
use std::sync::Arc;

use shared::{AccountSid, CallSid, Code, NotificationSid, Now, Refusal};
use store::{Change, NotificationLevel, NotificationRecord};

use crate::control::Control;
use crate::effect::Observation;
use crate::input::HostedAlert;
use crate::records;
use crate::state::timeline::Kind;

impl Control {
    /// Notifies an account of a refusal with a code, unless it had the same recently.
    pub(crate) fn alert(&mut self, now: Now, account: Option<AccountSid>, refusal: &Refusal) {
        let (Some(account), Some(code)) = (account, refusal.code) else { return };
        if self.alerts.take(now.mono, account, code) {
            self.notify_of_refusal(now, account, None, code, refusal);
        }
    }

    /// Notifies each account whose history was lost.
    pub(crate) fn on_history_lost(&mut self, now: Now, rows: &BTreeMap<AccountSid, u64>) {
        for (account, count) in rows {
            // At the rate of refusals: a full disk loses rows with every call that ends.
            if self.alerts.take(now.mono, *account, Code::INTERNAL) {
                let of = records::Of { account: *account, call: None, unix_ms: now.unix_ms };
                let random = self.random.number();
                let record = records::history_lost(of, self.settings.origin, random, *count);
                self.commit(None, Change::AddNotification(Arc::new(record)));
            }
        }
    }

    /// Notifies an account of a recording that is not in the bucket.
    pub(crate) fn alert_of_upload(
        &mut self,
        now: Now,
        account: AccountSid,
        code: Code,
        sentence: String,
    ) {
        let level = NotificationLevel::Error;
        self.alert_in_words(
            now,
            HostedAlert { account, call: None, code, level, sentence, exchange: None },
        );
    }

    /// Notifies an account of what another part of the gateway found.
    pub(crate) fn alert_in_words(&mut self, now: Now, alert: HostedAlert) {
        let HostedAlert { account, call, code, level, sentence, exchange } = alert;
        // At the rate of refusals: a bucket that is down refuses every recording, and a function fails with each call.
        if !self.alerts.take(now.mono, account, code) {
            return;
        }
        let record = NotificationRecord {
            sid: NotificationSid::mint(now.unix_ms, self.settings.origin, self.random.number()),
            account,
            call,
            level,
            error_code: code,
            message: sentence,
            exchange,
            created_ms: now.unix_ms,
        };
        self.commit(None, Change::AddNotification(Arc::new(record)));
    }

    /// Writes the notification of a refusal.
    pub(crate) fn notify_of_refusal(
        &mut self,
        now: Now,
        account: AccountSid,
        call: Option<CallSid>,
        code: Code,
        refusal: &Refusal,
    ) {
        let random = self.random.number();
        let of = records::Of { account, call, unix_ms: now.unix_ms };
        let record = records::refusal(of, self.settings.origin, random, code, refusal);
        self.commit(None, Change::AddNotification(Arc::new(record)));
    }

    /// A notification that a call wants written: store, timeline, log and metric.
    pub(crate) fn on_notification(
        &mut self,
        now: Now,
        sid: CallSid,
        notification: call::Notification,
    ) {
        let Some(account) = self.calls.get(&sid).map(|entry| entry.account) else { return };
        let random = self.random.number();
        let notification_sid = NotificationSid::mint(now.unix_ms, self.settings.origin, random);
        let call::Notification { code, severity, message, .. } = &notification;
        self.note(now, sid, Kind::Refusal, format_args!("{message} ({code})"));
        let observation = Observation::Notified {
            call: sid,
            code: *code,
            message: message.as_str().into(),
            error: *severity == call::Severity::Error,
        };
        let record =
            records::notification(notification_sid, account, Some(sid), notification, now.unix_ms);
        self.commit(None, Change::AddNotification(Arc::new(record)));
        self.observe(observation);
    }

    /// Writes a warning of Control's own about a call: notification, timeline, log and metric.
    pub(crate) fn warn(&mut self, now: Now, sid: CallSid, code: Code, sentence: String) {
        let warning = call::Notification {
            code,
            severity: call::Severity::Warning,
            message: sentence,
            url: String::new(),
            method: None,
            request_variables: String::new(),
            response_headers: String::new(),
            response_body: String::new(),
            position: None,
        };
        self.on_notification(now, sid, warning);
    }
}
