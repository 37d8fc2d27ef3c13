//! The URLs that answer a call, by what was called. Sans-IO.

use crate::application::Application;
use crate::calls::Webhook;
use crate::domain::{Domain, HttpMethod};
use crate::number::IncomingPhoneNumber;

/// The URLs by which a call runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VoiceUrls {
    /// The first document; `None`: nothing answers the call.
    pub document: Option<Webhook>,
    /// Fetched where a document cannot be.
    pub fallback: Option<Webhook>,
    /// Notified of the call's progress.
    pub status_callback: Option<Webhook>,
}

impl Application {
    /// Its URLs for calls.
    pub fn voice_urls(&self) -> VoiceUrls {
        VoiceUrls {
            document: webhook(self.voice_url.as_ref(), self.voice_method),
            fallback: webhook(self.voice_fallback_url.as_ref(), self.voice_fallback_method),
            status_callback: webhook(self.status_callback.as_ref(), self.status_callback_method),
        }
    }
}

impl Domain {
    /// Its URLs for calls.
    pub fn voice_urls(&self) -> VoiceUrls {
        let callback = self.voice_status_callback_url.as_ref();
        VoiceUrls {
            document: webhook(self.voice_url.as_ref(), self.voice_method),
            fallback: webhook(self.voice_fallback_url.as_ref(), self.voice_fallback_method),
            status_callback: webhook(callback, self.voice_status_callback_method),
        }
    }
}

impl IncomingPhoneNumber {
    /// Its own URLs for calls, which those of an application replace ([`crate::Snapshot::voice_urls`]).
    pub(crate) fn voice_urls(&self) -> VoiceUrls {
        VoiceUrls {
            document: webhook(self.voice_url.as_ref(), self.voice_method),
            fallback: webhook(self.voice_fallback_url.as_ref(), self.voice_fallback_method),
            status_callback: webhook(self.status_callback.as_ref(), self.status_callback_method),
        }
    }
}

/// A column with a URL and one with its method; `None` where there is no URL.
fn webhook(url: Option<&String>, method: HttpMethod) -> Option<Webhook> {
    url.map(|url| Webhook { url: url.clone(), method })
}
