//! The modules of Node that functions may `require`, and our own beside them. Pure.

/// The script of a built-in module.
pub(crate) fn builtin(name: &str) -> Option<&'static str> {
    BUILTIN.iter().find(|(known, _)| *known == name).map(|(_, script)| *script)
}

/// Every name that `require` takes for a built-in module.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    BUILTIN.iter().map(|(name, _)| *name)
}

/// The loader, which is not a module.
pub(crate) const LOADER: &str = include_str!("../js/loader.js");

macro_rules! scripts {
    ($($name:literal = $file:literal)*) => {
        &[$(($name, include_str!(concat!("../js/", $file)))),*]
    };
}

/// The scripts of the worker in Node.
pub(crate) const NODE: &[(&str, &str)] = scripts! {
    "main" = "node/main.js"
    "slot" = "node/slot.js"
    "internal_axios" = "internal_axios.js"
    "internal_encoding" = "internal_encoding.js"
    "internal_fetch" = "internal_fetch.js"
    "internal_functions" = "internal_functions.js"
    "internal_http" = "internal_http.js"
};

const BUILTIN: &[(&str, &str)] = scripts! {
    "assert" = "assert.js"
    "assert/strict" = "assert.js"
    "async_hooks" = "async_hooks.js"
    "buffer" = "buffer.js"
    "child_process" = "unavailable.js"
    "cluster" = "unavailable.js"
    "crypto" = "crypto.js"
    "dns" = "unavailable.js"
    "events" = "events.js"
    "fs" = "fs.js"
    "fs/promises" = "fs_promises.js"
    "http" = "http.js"
    "http2" = "unavailable.js"
    "https" = "https.js"
    "internal_axios" = "internal_axios.js"
    "internal_encoding" = "internal_encoding.js"
    "internal_fetch" = "internal_fetch.js"
    "internal_functions" = "internal_functions.js"
    "internal_globals" = "internal_globals.js"
    "internal_http" = "internal_http.js"
    "internal_ip" = "internal_ip.js"
    "net" = "unavailable.js"
    "os" = "os.js"
    "path" = "path.js"
    "process" = "process.js"
    "punycode" = "punycode.js"
    "querystring" = "querystring.js"
    "readline" = "unavailable.js"
    "stream" = "stream.js"
    "stream/promises" = "stream_promises.js"
    "string_decoder" = "string_decoder.js"
    "timers" = "timers.js"
    "timers/promises" = "timers_promises.js"
    "tls" = "unavailable.js"
    "tty" = "tty.js"
    "url" = "url.js"
    "util" = "util.js"
    "util/types" = "util_types.js"
    "worker_threads" = "unavailable.js"
    "zlib" = "zlib.js"
};
