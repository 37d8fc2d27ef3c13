//! A service and what it holds, as it is on disk. Pure.
//!
//! One document a service: a deployment changes several of its parts at once, and a file that is renamed into place
//! changes whole or not at all. The signaling thread never reads them, so they are not in its store.

use serde::{Deserialize, Serialize};
use shared::AccountSid;

/// A service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Service {
    pub sid: String,
    /// The account that owns it, as text.
    pub account: String,
    pub unique_name: String,
    pub friendly_name: String,
    /// Whether `context` has the account's SID and auth token.
    pub include_credentials: bool,
    pub ui_editable: bool,
    /// The first part of its domains: the name and four digits.
    pub domain_base: String,
    pub created_ms: i64,
    pub updated_ms: i64,
    #[serde(default)]
    pub environments: Vec<Environment>,
    #[serde(default)]
    pub items: Vec<Item>,
    #[serde(default)]
    pub versions: Vec<Version>,
    #[serde(default)]
    pub builds: Vec<Build>,
}

/// An environment: a domain, and the build that it shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Environment {
    pub sid: String,
    pub unique_name: String,
    /// Empty: the production domain.
    pub domain_suffix: String,
    pub build: Option<String>,
    /// Goes up with each change that a worker has to see.
    pub revision: u64,
    pub created_ms: i64,
    pub updated_ms: i64,
    #[serde(default)]
    pub variables: Vec<Variable>,
    #[serde(default)]
    pub deployments: Vec<Deployment>,
}

/// A function or an asset: a name for people, with versions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Item {
    pub sid: String,
    pub kind: Kind,
    pub friendly_name: String,
    pub created_ms: i64,
    pub updated_ms: i64,
}

/// The two kinds of items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Function,
    Asset,
}

impl Kind {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Function => "function",
            Self::Asset => "asset",
        }
    }

    /// The last part of the collection's path.
    pub(crate) const fn collection(self) -> &'static str {
        match self {
            Self::Function => "Functions",
            Self::Asset => "Assets",
        }
    }
}

/// An upload. Its content is the file of its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Version {
    pub sid: String,
    pub item: String,
    pub kind: Kind,
    /// Begins with `/`.
    pub path: String,
    pub visibility: Visibility,
    /// `Content-Type` of the uploaded part, which an asset is served with (hosted.md 3).
    pub content_type: Option<String>,
    pub created_ms: i64,
}

impl Version {
    /// Whether it is the archive of the packages that a deployment brings (hosted.md 3).
    pub(crate) fn is_packages(&self) -> bool {
        let is_private_asset = self.kind == Kind::Asset && self.visibility == Visibility::Private;
        is_private_asset && self.path == "/node_modules.zip"
    }
}

/// Who may request a version by URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Visibility {
    /// Anybody.
    Public,
    /// Whoever signs with the account's auth token: calls of the account.
    Protected,
    /// Nobody: other functions read it.
    Private,
}

impl Visibility {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Protected => "protected",
            Self::Private => "private",
        }
    }

    pub(crate) fn of(word: &str) -> Option<Self> {
        [Self::Public, Self::Protected, Self::Private].into_iter().find(|one| one.word() == word)
    }
}

/// A set of versions that is deployed together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Build {
    pub sid: String,
    /// `completed` or `failed`.
    pub status: String,
    /// Why it failed.
    #[serde(default)]
    pub reason: String,
    pub versions: Vec<String>,
    pub dependencies: Vec<Dependency>,
    pub runtime: String,
    pub created_ms: i64,
}

/// An npm package by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Dependency {
    pub name: String,
    pub version: String,
}

/// A switch of an environment to a build.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Deployment {
    pub sid: String,
    pub build: String,
    pub created_ms: i64,
}

/// A variable of an environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Variable {
    pub sid: String,
    pub key: String,
    pub value: String,
    pub created_ms: i64,
    pub updated_ms: i64,
}

impl Service {
    /// The variables of all environments.
    pub(crate) fn variables_mut(&mut self) -> impl Iterator<Item = &mut Variable> {
        self.environments.iter_mut().flat_map(|environment| &mut environment.variables)
    }

    /// The owner; `None` in a file that was changed by hand.
    pub(crate) fn owner(&self) -> Option<AccountSid> {
        self.account.parse().ok()
    }

    /// The first label of an environment's domain.
    pub(crate) fn label(&self, environment: &Environment) -> String {
        match environment.domain_suffix.as_str() {
            "" => self.domain_base.clone(),
            suffix => format!("{}-{suffix}", self.domain_base),
        }
    }

    /// The versions that an environment shows.
    pub(crate) fn deployed(&self, environment: &Environment) -> impl Iterator<Item = &Version> {
        let build = environment.build.as_ref();
        let build = build.and_then(|sid| self.builds.iter().find(|build| build.sid == *sid));
        let versions = build.map_or(&[][..], |build| &build.versions[..]);
        self.versions.iter().filter(move |version| versions.contains(&version.sid))
    }

    /// The version that a request for a path gets. A function wins over an asset, and `/` is `/index.html`.
    pub(crate) fn at(&self, environment: &Environment, path: &str) -> Option<&Version> {
        let find = |kind: Kind, path: &str| {
            self.deployed(environment).find(|one| one.kind == kind && one.path == path)
        };
        let trimmed = match path.len() {
            0 | 1 => path,
            _ => path.trim_end_matches('/'),
        };
        let index = || if path == "/" { find(Kind::Asset, "/index.html") } else { None };
        find(Kind::Function, trimmed).or_else(|| find(Kind::Asset, path)).or_else(index)
    }
}
