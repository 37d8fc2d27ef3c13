//! Names that pair an answer with its question. Pure.

/// Names a REST request that waits for an answer. The shell chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiToken(pub u64);

/// Names a commit whose completion Control waits for. Control chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitToken(pub u64);
