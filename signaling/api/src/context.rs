//! What every resource works with: the admitted request, the verbs it may use, and the steps that answer it.
//!
//! This file lies below the resources and the routes, so that a resource imports it and nothing imports
//! a resource but the routes.

use std::sync::Arc;

use shared::{AccountSid, Code, Now};
use store::{
    Account, CallCommand, ConferenceCommand, ExecutionCommand, QueueCommand, Reader,
    RecordingRecord, Write, WriteError,
};

use crate::auth::Login;
use crate::form::Form;
use crate::rendering::{Rendering, Shape};
use crate::request::{Method, Suffix};
use crate::response::{Frame, Response, method_not_allowed};

/// The next step for a request.
#[derive(Debug)]
pub enum Step {
    /// Send this answer.
    Answer(Response),
    /// Give the write to Control, then [`crate::render`] its answer.
    Write {
        /// The account of the path.
        account: AccountSid,
        /// The write, checked for form only.
        write: Write,
        /// What [`crate::render`] needs to show the reply.
        rendering: Rendering,
    },
    /// Give the command to Control, then [`crate::render`] its answer.
    Call {
        /// The command, checked for form only.
        command: CallCommand,
        /// What [`crate::render`] needs to show the reply.
        rendering: Rendering,
    },
    /// As `Call`, of a command about live conferences.
    Conference {
        /// The command, checked for form only.
        command: ConferenceCommand,
        /// What [`crate::render`] needs to show the reply.
        rendering: Rendering,
    },
    /// As `Call`, of a command about calls that wait in queues.
    Queue {
        /// The command, checked for form only.
        command: QueueCommand,
        /// What [`crate::render`] needs to show the reply.
        rendering: Rendering,
    },
    /// Give the command to whoever walks executions of flows, then [`crate::render`] its answer.
    Execution {
        /// The command, checked for form only.
        command: ExecutionCommand,
        /// What [`crate::render`] needs to show the reply.
        rendering: Rendering,
    },
    /// Send the audio of this recording, honouring Range.
    RecordingMedia {
        /// The form of the audio.
        form: AudioForm,
        /// Its record. Its status is completed, so a file exists.
        recording: Box<RecordingRecord>,
        /// Send two channels as recorded; otherwise mix them into one.
        two_channels: bool,
        /// For [`Rendering::missing`], where the file is gone.
        rendering: Rendering,
    },
}

/// Form in which the audio of a recording is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AudioForm {
    /// `audio/x-wav`.
    Wav,
    /// `audio/mpeg`, made for its first reader.
    Mp3,
}

/// An admitted request, as every resource sees it.
pub(crate) struct Context<'c> {
    pub method: Method,
    /// Parameters: of the query for a read, of the body for a write.
    pub form: Form,
    pub suffix: Suffix,
    pub now: Now,
    pub reader: &'c dyn Reader,
    pub frame: &'c Frame,
    pub login: Login,
    /// The account of the path.
    pub account: Arc<Account>,
}

/// Result of a resource: the next step, or the error to answer with.
pub(crate) type Answered = Result<Step, WriteError>;

impl Context<'_> {
    /// Refuses API keys: accounts and keys open only to an auth token.
    pub(crate) fn must_be_main_credentials(&self) -> Result<(), WriteError> {
        if !self.login.by_key {
            return Ok(());
        }
        Err(WriteError::new(
            401,
            Code::AUTHENTICATE,
            "An API key cannot be used for accounts and keys: authenticate with the AccountSid and AuthToken",
        ))
    }

    /// Refuses all but the auth token of a main account, which is the operator's.
    pub(crate) fn must_be_operator(&self) -> Result<(), WriteError> {
        self.must_be_main_credentials()?;
        if self.login.account.parent.is_none() {
            return Ok(());
        }
        let message = "Only the operator may do this: authenticate with the main account";
        Err(WriteError::new(403, Code::ACCESS_DENIED, message))
    }

    pub(crate) fn must_be_json(&self) -> Result<(), WriteError> {
        let what = match self.suffix {
            Suffix::None | Suffix::Json => return Ok(()),
            Suffix::Xml => "XML",
            Suffix::Csv => "CSV",
            Suffix::Html => "HTML",
            // Only a recording has audio, and its route comes before this check.
            Suffix::Wav | Suffix::Mp3 => return Err(WriteError::not_found()),
        };
        Err(WriteError::new(
            406,
            Code::NOT_ACCEPTABLE,
            format!("{what} is not built in this version of the gateway: ask for .json"),
        ))
    }

    pub(crate) fn ok(&self, body: &serde_json::Value) -> Answered {
        Ok(Step::Answer(self.frame.json(200, body)))
    }

    pub(crate) fn create(&self, write: Write) -> Answered {
        self.write(write, 201)
    }

    pub(crate) fn update(&self, write: Write) -> Answered {
        self.write(write, 200)
    }

    /// A write that answers 204.
    pub(crate) fn delete(&self, write: Write) -> Answered {
        self.write(write, 204)
    }

    pub(crate) fn command(&self, command: CallCommand, status: u16) -> Answered {
        Ok(Step::Call { command, rendering: self.rendering(status) })
    }

    /// A command about live conferences, whose reply has the form of a fetch.
    pub(crate) fn conference_command(&self, command: ConferenceCommand, status: u16) -> Answered {
        Ok(Step::Conference { command, rendering: self.rendering(status) })
    }

    /// A question to Control, whose reply fills this shape.
    pub(crate) fn rendering_of(&self, shape: Shape) -> Rendering {
        Rendering { shape, ..self.rendering(200) }
    }

    pub(crate) fn rendering(&self, status: u16) -> Rendering {
        // A copy, as it waits in Control after the request is gone.
        Rendering { frame: self.frame.clone(), status, shape: Shape::Plain }
    }

    fn write(&self, write: Write, status: u16) -> Answered {
        debug_assert_ne!(self.method, Method::Get, "a read writes nothing");
        let rendering = self.rendering(status);
        Ok(Step::Write { account: self.account.sid, write, rendering })
    }

    /// The verb of a request to a collection; 405 for any other method.
    pub(crate) fn collection_verb(&self) -> Result<CollectionVerb, WriteError> {
        match self.method {
            Method::Get => Ok(CollectionVerb::List),
            Method::Post => Ok(CollectionVerb::Create),
            // HEAD arrives as GET (`routes.rs`): it stands here for the match alone.
            Method::Head | Method::Delete | Method::Options | Method::Other => {
                Err(method_not_allowed(READ_OR_WRITE))
            }
        }
    }

    /// The verb of a request to a resource that has them all; 405 for any other method.
    pub(crate) fn instance_verb(&self) -> Result<InstanceVerb, WriteError> {
        self.instance_verb_of(READ_WRITE_OR_DELETE)
    }

    /// The verb of a request to a resource that has those in `allow`. The resource itself refuses the others with
    /// [`method_not_allowed`].
    pub(crate) fn instance_verb_of(&self, allow: &'static str) -> Result<InstanceVerb, WriteError> {
        match self.method {
            Method::Get => Ok(InstanceVerb::Fetch),
            Method::Post => Ok(InstanceVerb::Update),
            Method::Delete => Ok(InstanceVerb::Delete),
            Method::Head | Method::Options | Method::Other => Err(method_not_allowed(allow)),
        }
    }

    /// Refuses every method but GET and HEAD.
    pub(crate) fn must_read(&self) -> Result<(), WriteError> {
        if self.method == Method::Get { Ok(()) } else { Err(method_not_allowed(READ)) }
    }

    /// Refuses every method but POST.
    pub(crate) fn must_post(&self) -> Result<(), WriteError> {
        if self.method == Method::Post { Ok(()) } else { Err(method_not_allowed(WRITE)) }
    }
}

/// The methods of a resource as `Allow` names them. HEAD is a GET without a body, and OPTIONS is
/// answered for every path (CORS).
pub(crate) const READ: &str = "GET, HEAD, OPTIONS";
pub(crate) const WRITE: &str = "POST, OPTIONS";
pub(crate) const READ_OR_WRITE: &str = "GET, HEAD, POST, OPTIONS";
pub(crate) const READ_OR_DELETE: &str = "GET, HEAD, DELETE, OPTIONS";
pub(crate) const READ_WRITE_OR_DELETE: &str = "GET, HEAD, POST, DELETE, OPTIONS";

/// Verb of a request to a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CollectionVerb {
    List,
    Create,
}

/// Verb of a request to a single resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InstanceVerb {
    Fetch,
    Update,
    Delete,
}
