//! The counters of functions. Shell.

use shell::{Counter, Gauge, Histogram, Labelled, Seconds};

shell::metrics! {
    /// Invocations by outcome and time, and the workers that run them.
    pub struct FunctionMeters {
        /// Invocations ended: answered, failed (the function's error), timeout, broken (its worker), refused (too many).
        functions_invocations_total: Labelled, by "outcome";
        /// Time of an invocation, including its wait for a place and for its worker.
        functions_invocation_seconds: Histogram<Seconds>;
        /// Invocations that run or wait now.
        functions_invocations_open: Gauge;
        /// Worker processes started; more than deployments and restarts explain: functions break their workers.
        functions_workers_started_total: Counter;
        /// Lines that functions printed.
        functions_log_lines_total: Counter;
        /// Requests of functions to the outside.
        functions_fetches_total: Counter;
    }
}
