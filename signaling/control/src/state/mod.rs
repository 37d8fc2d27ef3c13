//! The state that [`crate::Control`] owns: values of one live call, and small machines with private
//! fields that know nothing of Control. Behaviour that joins several of them stands one floor above, in
//! the files with an `impl Control`; nothing here imports those.

pub(crate) mod alerts;
pub(crate) mod api_rate;
pub(crate) mod clock_watch;
pub(crate) mod commits;
pub(crate) mod conferences;
pub(crate) mod figures;
pub(crate) mod forks;
pub(crate) mod leg;
pub(crate) mod leg_survey;
pub(crate) mod links;
pub(crate) mod live_call;
pub(crate) mod live_recognition;
pub(crate) mod live_siprec;
pub(crate) mod live_stream;
pub(crate) mod owed_callbacks;
pub(crate) mod queues;
pub(crate) mod registrations;
pub(crate) mod session;
pub(crate) mod timeline;
pub(crate) mod validations;
